"""What a warehouse holds, so that two of them can be compared: all rows of raw, marts and learned but for chance.

Chance is when something was done, in which run, and which numbers the database drew; an id is compared as the key of
what it stands for. Columns are found in the catalogue: a new table or column is compared until it is declared here.
"""

from __future__ import annotations

import psycopg

State = dict[str, list[str]]
"""Sorted rows as text, by table."""

SCHEMAS = ("raw", "marts", "learned")
_ANY_TABLE = {
    # when, and in which run
    *("run_id", "load_id", "first_load_id", "last_load_id", "started_at", "finished_at", "rejected_at", "resolved_at"),
    *("registered_at", "created_at", "published_at", "ended_at", "decided_at", "computed_at", "valid_until", "held_at"),
    *("matched_at", "changed_at", "observed_at", "fetched_at", "expires_at", "crawled_at", "enriched_at", "at"),
    *("submitted_at", "processed_at", "since", "intake_saved_at", "queued_at", "called_at", "gone_at", "seconds"),
    "mapping_seconds",
    # numbers drawn; the rows carry natural keys beside them
    *("entry_id", "activity_id", "evidence_id", "rule_id", "response_id", "inbox_id", "contact_id", "call_id"),
}  # fmt: skip
_OF_TABLE = {
    # pages that came before the shot are read from the cache after it
    "raw.crawl_runs": {"pages_fetched", "pages_cached", "bytes"},
    # made of the ids of company and evidence
    "raw.icp_evidence": {"content_hash"},
    "raw.company_signals": {"content_hash"},
    "learned.icp_suggestion_sets": {"inputs_hash"},
    "raw.sources": {"mapping_path", "settings"},
}
_NATURAL = {
    "lead_id": "(select k.source_id from raw.leads as k where k.tenant_id = t.tenant_id and k.lead_id = t.lead_id)",
    "converting_touch_id": "(select k.source_id from raw.activities as k where k.tenant_id = t.tenant_id"
    " and k.activity_id = t.converting_touch_id)",
    "entity_id": "(select k.registration_number from raw.registry_entities as k where k.entity_id = t.entity_id)",
    "company_id": "(select k.company_key from raw.companies as k where k.company_id = t.company_id)",
    "seed_id": "(select k.kind || ' ' || k.seed_key from raw.customer_seeds as k where k.tenant_id = t.tenant_id"
    " and k.seed_id = t.seed_id)",
    "evidence_ids": "array(select row(c.company_key, k.signal_key, k.value_key, k.source, k.url)::text"
    " from raw.icp_evidence as k join raw.companies as c using (company_id)"
    " where k.tenant_id = t.tenant_id and k.evidence_id = any(t.evidence_ids) order by 1)",
}
_AS = {
    "raw.lead_score_snapshots.scored_at": "case when origin = 'source' then scored_at end",
    "learned.conversion_patterns.patterns": "patterns - 'computed_at' - 'valid_until'",
    "learned.conversion_pattern_history.patterns": "patterns - 'computed_at' - 'valid_until'",
    "learned.icp_suggestions.card": "card - 'evidence_ids'",
    "learned.audit_log.actor": "regexp_replace(actor, '^run .*', 'run')",
    "learned.audit_log.detail": "detail - 'rule_id' - 'login'",
}
# A load that was shot leaves a failed row beside the one that was done later; every run says what retention did.
_WHERE = {"raw.loads": "where status = 'done'", "raw.retention_runs": "where false"}


def state(connection: psycopg.Connection) -> State:
    """All rows that count."""
    columns: dict[str, list[str]] = {}
    for schema, table, column in connection.execute(
        "select table_schema, table_name, column_name from information_schema.columns"
        " join information_schema.tables using (table_schema, table_name)"
        " where table_schema = any(%s) and table_type = 'BASE TABLE' order by 1, 2, ordinal_position",
        (list(SCHEMAS),),
    ):
        columns.setdefault(f"{schema}.{table}", []).append(column)
    found: State = {}
    for table, names in columns.items():
        own = {"raw.leads": "lead_id", "raw.registry_entities": "entity_id", "raw.companies": "company_id"}
        own["raw.customer_seeds"] = "seed_id"
        chance = _ANY_TABLE | _OF_TABLE.get(table, set()) | {own.get(table, "")}
        listed = ", ".join(
            _AS.get(f"{table}.{name}") or _NATURAL.get(name) or f't."{name}"' for name in names if name not in chance
        )
        rows = connection.execute(f"select row({listed})::text from {table} as t {_WHERE.get(table, '')}".encode())
        found[table] = sorted(row[0] for row in rows)
    return found


def differences(one: State, other: State) -> dict[str, list[str]]:
    """Some rows that only one of two states has, by table."""
    different = [table for table in {*one, *other} if one.get(table) != other.get(table)]
    return {
        table: [
            *(f"- {row}" for row in sorted(set(one.get(table, [])) - set(other.get(table, [])))[:5]),
            *(f"+ {row}" for row in sorted(set(other.get(table, [])) - set(one.get(table, [])))[:5]),
            f"{len(one.get(table, []))} rows and {len(other.get(table, []))}",
        ]
        for table in sorted(different)
    }
