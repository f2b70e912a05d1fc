"""What the warehouse knows of a registered entity: its fields, and what each may hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["key", "name", "names", "text", "code", "date", "integer", "boolean", "domain"]


@dataclass(frozen=True)
class RegistryField:
    """One thing a registry says of an entity.

    Attributes:
        column_type: of the column in ``raw.registry_entities``.
        help: what it means, for ``icp load registry --explain``.
    """

    name: str
    kind: Kind
    column_type: str
    help: str
    required: bool = False


FIELDS = (
    RegistryField("registration_number", "key", "text", "the registry's number of the entity", required=True),
    RegistryField("name", "name", "text", "its name now", required=True),
    RegistryField("former_names", "names", "text[]", "names it had before: any number of columns"),
    RegistryField("entity_type", "text", "text", "company, branch, sole proprietor, … in the registry's words"),
    RegistryField("status", "text", "text", "in the registry's words; see live_statuses"),
    RegistryField("is_live", "boolean", "bool", "whether it is live, where no status tells"),
    RegistryField("incorporated_on", "date", "date", "day of incorporation or registration"),
    RegistryField("industry_code", "code", "text", "five characters of the classification"),
    RegistryField("secondary_industry_code", "code", "text", "the same of its second activity"),
    RegistryField("industry_description", "text", "text", "what it does, in words"),
    RegistryField("employee_count", "integer", "int4", "people it employs"),
    RegistryField("website_domain", "domain", "text", "its website; stored as the registrable domain"),
    RegistryField("street", "text", "text", "several columns are joined with a space; leave unit numbers out"),
    RegistryField("city", "text", "text", "city"),
    RegistryField("postal_code", "text", "text", "postal code"),
    RegistryField("country", "text", "text", "ISO code"),
)
BY_NAME = {field.name: field for field in FIELDS}
CODES = ("industry_code", "secondary_industry_code")
