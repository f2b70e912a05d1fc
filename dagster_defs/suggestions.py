"""Learning whom to target: signals tested, micro-ICPs, negative ICP and look-alikes of the tenants that are due."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import psycopg
from matplotlib.figure import Figure

from dagster_defs.checks import WARN, check_number, number
from dagster_defs.lookalike_search import search
from dagster_defs.metadata import figure_metadata, markdown_table, table_metadata
from dagster_defs.resources import WarehouseResource
from dagster_defs.suggestion_reading import Inputs, read_inputs
from models_py.suggestions.building import SuggestionSet, build_suggestions
from models_py.suggestions.estimates import SignalEstimate
from models_py.suggestions.segments import ENOUGH_SEEDS, WANTED_SEGMENTS
from warehouse.flow import set_state
from warehouse.suggestion_sets import NewLookalike, NewSet, NewSuggestion, publish_estimates, publish_sets
from warehouse.versions import due_tenants, mark_built, run_scope

RELATION = "learned.icp_suggestion_sets"
READS = [
    "marts.icp_pattern_signals",
    "marts.seed_company_matches",
    "marts.industry_segments",
    "raw.icp_evidence",
    "raw.icp_intake_responses",
    "raw.customer_seeds",
    "raw.registry_entities",
    "raw.company_signals",
]
PUBLISHED = {
    "signal_estimates": "One row per tenant, signal and value: its best customers against companies at large.",
    "icp_suggestion_sets": "One row per tenant and generation of suggestions: negative ICP and advice.",
    "icp_suggestions": "One row per tenant, generation and micro-ICP: card, targeting pack and evidence.",
    "lookalike_companies": "One row per suggestion and company like the tenant's best customers, with why.",
}
MOST_SIGNALS = 12  # in the plot


@dg.multi_asset(
    name="learn_suggestions",
    specs=[
        dg.AssetSpec(
            ["learned", table],
            deps=[
                ["marts", "icp_pattern_signals"],
                ["marts", "seed_company_matches"],
                ["marts", "industry_segments"],
                ["raw", "icp_evidence"],
                ["raw", "icp_intake_responses"],
            ],
            group_name="icp",
            description=text,
            kinds={"python", "postgres"},
        )
        for table, text in PUBLISHED.items()
    ],
)
def learn_suggestions(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource
) -> Iterator[dg.MaterializeResult]:
    """Estimate, suggest and search for the tenants whose evidence changed; publish all of it in one transaction."""
    with warehouse.connect(autocommit=True) as connection:
        as_of, _ = run_scope(connection)
        due = due_tenants(connection, RELATION, READS)
        sets, made = suggest(connection, due, as_of=as_of, run_id=context.run.run_id)
        for table in PUBLISHED:
            metadata = table_metadata(connection, "learned", table)
            if table == "icp_suggestions":
                metadata |= _describe(connection, sets, made)
            elif table == "signal_estimates":
                metadata |= _plot(connection, sets)
            yield dg.MaterializeResult(asset_key=["learned", table], metadata=metadata)


def suggest(
    connection: psycopg.Connection, due: Mapping[int, str], *, as_of: dt.date, run_id: str | None
) -> tuple[list[SuggestionSet], dict[int, int]]:
    """Make and publish the suggestions of tenants (connection in autocommit mode).

    Args:
        due: as :func:`warehouse.versions.due_tenants` gives it.

    Returns:
        The sets of the tenants that have customers, and by tenant the new generation, where there is one.
    """
    ids = sorted(due)
    inputs = read_inputs(connection, ids)
    before = _with_generation(connection, ids)
    concerned = [tenant for tenant in ids if inputs.evidence[tenant].seeds or tenant in before]
    sets = [
        build_suggestions(
            inputs.evidence[tenant], inputs.counts[tenant], inputs.base.get(inputs.evidence[tenant].version)
        )
        for tenant in concerned
    ]
    new = [_new_set(found, inputs, search(connection, found, inputs, as_of=as_of)) for found in sets]
    with connection.transaction():
        made: dict[int, int] = {}
        if ids:
            publish_estimates(connection, ids, _estimate_rows(sets, as_of, run_id))
            made = publish_sets(connection, new, run_id=run_id)
        set_state(connection, set(concerned) | _waiting(connection, due), "suggestions_ready")
        mark_built(connection, RELATION, due)
    return sets, made


def _with_generation(connection: psycopg.Connection, ids: Sequence[int]) -> set[int]:
    """Tenants that have suggestions already: where the last customer went, they go too."""
    rows = connection.execute(
        "select distinct tenant_id from learned.icp_suggestion_sets where tenant_id = any(%s)", (list(ids),)
    ).fetchall()
    return {row[0] for row in rows}


def _waiting(connection: psycopg.Connection, due: Mapping[int, str]) -> set[int]:
    """Tenants whose patterns were mined again and came out as they were: they are ready too."""
    rows = connection.execute(
        "select flow.tenant_id from raw.icp_flow as flow cross join intermediate.run_settings as run"
        " where flow.state = 'pattern_mining' and flow.tenant_id <> all(%s)"
        " and (run.tenant_ids is null or flow.tenant_id = any(run.tenant_ids))"
        " and exists (select from learned.icp_suggestion_sets as made where made.tenant_id = flow.tenant_id)",
        (list(due),),
    ).fetchall()
    return {row[0] for row in rows}


def _new_set(found: SuggestionSet, inputs: Inputs, lookalikes: Sequence[NewLookalike]) -> NewSet:
    return NewSet(
        tenant_id=found.tenant_id,
        intake_version=inputs.intake_versions.get(found.tenant_id),
        inputs_hash=found.inputs_hash,
        best_seeds=found.best_seeds,
        seeds_with_evidence=found.seeds_with_evidence,
        reduced_evidence=found.reduced_evidence,
        negative_icp=found.negative.model_dump(mode="json"),
        advice=found.advice,
        suggestions=[
            NewSuggestion(
                suggestion_id=made.card.id,
                title=made.card.title,
                score=made.card.score,
                evidence_ids=made.card.evidence_ids,
                reduced_evidence=made.card.reduced_evidence,
                card=made.card.model_dump(mode="json"),
                targeting_pack=made.pack.model_dump(mode="json"),
                rule_payload=made.rule.model_dump(mode="json", exclude_none=True),
            )
            for made in found.suggestions
        ],
        lookalikes=lookalikes,
    )


def _estimate_rows(sets: Sequence[SuggestionSet], as_of: dt.date, run_id: str | None) -> Iterator[tuple[Any, ...]]:
    """In the order of ``warehouse.suggestion_sets.ESTIMATE_COLUMNS``."""
    for found in sets:
        for e in found.estimates:
            yield (
                *(found.tenant_id, e.signal_key, e.value_key, e.label_text, e.companies, e.n, e.support),
                *(e.interval_low, e.interval_high, e.base_rate, e.base_n, e.lift, e.lost_companies, e.lost_n),
                *(e.p_value, e.label, as_of, run_id),
            )


def _describe(connection: psycopg.Connection, sets: Sequence[SuggestionSet], made: Mapping[int, int]) -> dict[str, Any]:
    names = _slugs(connection)
    count = sum(len(found.suggestions) for found in sets)
    summary = (
        f"{count} suggestions for {len(sets)} tenants; {len(made)} tenants have a new generation."
        if sets
        else "no tenant has new evidence; nothing suggested anew."
    )
    metadata: dict[str, Any] = {"summary": summary}
    if count:
        rows = [
            (names[found.tenant_id], rank, card.title, ", ".join(card.ssic_cluster), card.headcount_band or "–")
            + (", ".join(card.integrations), ", ".join(card.champions), card.evidence_count, card.rationale)
            for found in sets
            for rank, card in enumerate((suggestion.card for suggestion in found.suggestions), start=1)
        ]
        columns = [
            "tenant",
            "rank",
            "title",
            "industries",
            "size",
            "integrations",
            "champions",
            "evidence",
            "rationale",
        ]
        metadata["cards"] = markdown_table(columns, rows[:20])
    return metadata


def _plot(connection: psycopg.Connection, sets: Sequence[SuggestionSet]) -> dict[str, Any]:
    """Of the tenant with the most findings, its strongest signals."""
    if not sets:
        return {}
    found = max(sets, key=lambda s: (sum(e.label == "characteristic" for e in s.estimates), len(s.estimates)))
    strongest = sorted(
        (e for e in found.estimates if e.base_rate and e.companies), key=lambda e: (-e.strength, e.value_key)
    )[:MOST_SIGNALS]
    if not strongest:
        return {}
    return {"signals": figure_metadata(signals_figure(_slugs(connection)[found.tenant_id], strongest))}


def signals_figure(tenant: str, estimates: Sequence[SignalEstimate]) -> Figure:
    """Lift of signals over companies at large with the interval of the customers' share, on a logarithmic scale."""
    figure = Figure(figsize=(7.0, 0.36 * len(estimates) + 1.2), layout="constrained")
    panel = figure.subplots()
    for at, e in enumerate(estimates):
        base = e.base_rate or 1.0
        colour = "#1f6f8b" if e.label == "characteristic" else "#b8c4c8"
        panel.plot([max(e.interval_low, 1e-3) / base, e.interval_high / base], [at, at], color=colour, linewidth=2)
        panel.plot([e.lift or 1.0], [at], "o", color=colour)
    panel.axvline(1.0, color="#333333", linewidth=1)
    panel.set_xscale("log")
    names = [f"{e.signal_key}: {e.label_text[:32]} ({e.companies} of {e.n})" for e in estimates]
    panel.set_yticks(range(len(estimates)), names, fontsize=8)
    panel.invert_yaxis()
    panel.set_xlabel(
        "times as often as at companies at large (dot: shrunk; bar: 90 %; dark: characteristic)", fontsize=8
    )
    panel.set_title(f"{tenant}: what its best customers share", fontsize=10)
    panel.spines[["top", "right"]].set_visible(False)
    return figure


def _slugs(connection: psycopg.Connection) -> dict[int, str]:
    return dict(connection.execute("select tenant_id, slug from raw.tenants").fetchall())


_NEWEST = "select distinct on (tenant_id) * from learned.icp_suggestion_sets order by tenant_id, generation desc"
checks = [
    check_number(
        ("learned", "icp_suggestions"),
        f"Fewest suggestions of a tenant with {ENOUGH_SEEDS} best customers with evidence or more.",
        number(
            "select min((select count(*) from learned.icp_suggestions as made where made.tenant_id = sets.tenant_id"
            f" and made.generation = sets.generation)) from ({_NEWEST}) as sets"
            f" where sets.seeds_with_evidence >= {ENOUGH_SEEDS}"
        ),
        at_least=WANTED_SEGMENTS,
        severity=WARN,
        name="enough_suggestions_where_there_is_evidence",
    ),
    check_number(
        ("learned", "icp_suggestions"),
        "Suggestions of a newest generation that cite nothing, or a fact that is not their own tenant's.",
        number(
            f"select count(*) from learned.icp_suggestions as made join ({_NEWEST}) as sets"
            " using (tenant_id, generation) where cardinality(made.evidence_ids) = 0"
            " or made.evidence_count <> cardinality(made.evidence_ids)"
            " or exists (select from unnest(made.evidence_ids) as cited (id) where not exists ("
            " select from raw.icp_evidence as known where known.tenant_id = made.tenant_id"
            " and known.evidence_id = cited.id))"
        ),
        at_most=0,
        name="suggestions_cite_evidence_of_their_tenant",
    ),
    check_number(
        ("learned", "icp_suggestion_sets"),
        "Tenants with an intake whose newest suggestions are of an older one.",
        number(
            "select count(*) from (select tenant_id, max(version) as version from raw.icp_intake_responses"
            f" group by tenant_id) as said left join ({_NEWEST}) as sets using (tenant_id)"
            " left join intermediate.tenant_versions as built"
            " on built.tenant_id = said.tenant_id and built.relation = 'learned.icp_suggestion_sets'"
            " left join intermediate.tenant_versions as wanted"
            " on wanted.tenant_id = said.tenant_id and wanted.relation = 'raw.icp_intake_responses'"
            " where exists (select from raw.customer_seeds as seeds"
            " where seeds.tenant_id = said.tenant_id and seeds.is_active)"
            " and (sets.tenant_id is null or coalesce(built.version, 0) < coalesce(wanted.version, 0))"
        ),
        at_most=0,
        severity=WARN,
        name="suggestions_are_of_the_latest_intake",
    ),
]
