"""How ACRA publishes Singapore's registered entities: one CSV per first letter of the name, 'na' for nothing.

Columns are the published ones. What is left out on purpose: officers (nothing here names a person), auditors, and
floor and unit of the address, which for a sole proprietor may be a home.
"""

from __future__ import annotations

from ingest.registry.mapping import Part, RegistryMapping

FORMER_NAMES = tuple(f"former_entity_name{number}" for number in range(1, 16))

ACRA = RegistryMapping(
    name="acra",
    date_formats=("iso", "%d/%m/%Y"),
    columns={
        "registration_number": Part(columns=("uen",)),
        "name": Part(columns=("entity_name",)),
        "former_names": Part(columns=FORMER_NAMES),
        "entity_type": Part(columns=("entity_type_description",)),
        "status": Part(columns=("entity_status_description",)),
        # Tells where the status is empty.
        "is_live": Part(columns=("uen_status_desc",), values={"registered": "true"}, otherwise="empty"),
        "incorporated_on": Part(columns=("registration_incorporation_date",)),
        "industry_code": Part(columns=("primary_ssic_code",)),
        "secondary_industry_code": Part(columns=("secondary_ssic_code",)),
        "industry_description": Part(
            columns=("primary_ssic_description", "primary_user_described_activity"), separator="; "
        ),
        # A foreign entity has the other lines instead of block and street.
        "street": Part(columns=("block", "street_name", "building_name", "other_address_line1", "other_address_line2")),
        "city": Part(columns=("address_type",), values={"local": "Singapore"}, otherwise="empty"),
        "postal_code": Part(columns=("postal_code",)),
        "country": Part(columns=("address_type",), values={"local": "SG"}, otherwise="empty"),
    },
    # "Live", "Live Company"; not "Gazetted To Be Struck Off" or "In Liquidation": nobody to sell to.
    live_statuses=("live", "registered"),
    industry_code_version="2020",
    lenient=True,
)
BUILT_IN = {ACRA.name: ACRA}
