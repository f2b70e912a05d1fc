"""Intakes: what applications handed in, validated into versions, seeds and companies."""

import datetime as dt
from collections.abc import Iterator

import dagster as dg

from dagster_defs.checks import WARN, number, within
from dagster_defs.metadata import markdown_table, table_metadata
from dagster_defs.resources import WarehouseResource
from ingest.intake import process_inbox

GROUP = "intake"
MOST_REFUSED = 0.2  # of what applications handed in within 30 days; more says that a form is wrong
LEAST_COMPLETED = 0.8  # of the intakes should have come to suggestions
STORED = {
    "icp_intake_responses": "One row per tenant and version of its intake answers.",
    "customer_seeds": "One row per tenant, kind and company named as a best or a lost customer.",
    "companies": "One row per company that somebody named or found, shared by all tenants.",
}

# Written by applications and people, between runs.
external_assets = [
    dg.AssetSpec(
        ["raw", "icp_intake_inbox"],
        group_name=GROUP,
        description="One row per intake that an application handed in, as it was sent.",
    ),
    dg.AssetSpec(
        ["raw", "match_decisions"],
        group_name=GROUP,
        description="One row per seed whose registry entity a person decided; `icp matches`.",
    ),
]


@dg.multi_asset(
    name="process_intake",
    specs=[
        dg.AssetSpec(
            ["raw", table],
            deps=[["raw", "tenants"], ["raw", "icp_intake_inbox"]],
            group_name=GROUP,
            description=text,
            kinds={"python", "postgres"},
        )
        for table, text in STORED.items()
    ],
    check_specs=[
        dg.AssetCheckSpec(
            "few_intakes_are_refused",
            asset=["raw", "icp_intake_responses"],
            description="Share of the intakes handed in within 30 days that could not be used.",
        ),
        dg.AssetCheckSpec(
            "intakes_come_to_suggestions",
            asset=["raw", "icp_intake_responses"],
            description="Share of the tenants with an intake older than a day that have suggestions.",
        ),
    ],
)
def process_intake(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Validate and store what waits in the inbox. One that cannot be used is refused with a sentence."""
    now = dt.datetime.now(dt.UTC)
    with warehouse.connect(autocommit=True) as connection:
        outcomes = process_inbox(connection, now)
        for spec in external_assets:  # not made here, but worth seeing beside what is
            context.log_event(dg.AssetMaterialization(spec.key, metadata=table_metadata(connection, *spec.key.path)))
        for table in STORED:
            metadata = table_metadata(connection, "raw", table)
            if table == "icp_intake_responses":
                metadata["processed"] = len(outcomes)
                metadata["refused"] = sum(outcome.refused_because is not None for outcome in outcomes)
                metadata["flow"] = markdown_table(
                    ["tenant", "state", "since", "seeds", "message"],
                    connection.execute(
                        "select tenants.slug, flow.state, flow.since::timestamp(0), (select count(*)"
                        " from raw.customer_seeds as seeds where seeds.tenant_id = flow.tenant_id and is_active),"
                        " coalesce(flow.message, '') from raw.icp_flow as flow join raw.tenants as tenants"
                        " using (tenant_id) order by flow.since desc limit 20"
                    ).fetchall(),
                )
            yield dg.MaterializeResult(asset_key=["raw", table], metadata=metadata)
        refused = number(
            "select avg((refused_because is not null)::int)::float8 from raw.icp_intake_inbox"
            " where processed_at > %s - interval '30 days'",
            now,
        )(connection)
        completed = number(
            "select avg((exists (select from learned.icp_suggestion_sets as sets where sets.tenant_id = flow.tenant_id)"
            ")::int)::float8 from raw.icp_flow as flow where flow.intake_saved_at < %s - interval '1 day'",
            now,
        )(connection)
    asset = ("raw", "icp_intake_responses")
    yield within(refused, at_most=MOST_REFUSED, severity=WARN, asset=asset, name="few_intakes_are_refused")
    yield within(completed, at_least=LEAST_COMPLETED, severity=WARN, asset=asset, name="intakes_come_to_suggestions")
