"""``raw.companies``: one row per company that somebody named or found, shared by all tenants."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from models_py.matching.names import name_key


def company_key(name: str, domain: str | None) -> str:
    """What makes a company one: its domain where one is known, else its cleaned name."""
    return domain or f"name:{name_key(name)}"


def ensure_companies(connection: psycopg.Connection, items: Sequence[tuple[str, str | None]]) -> list[int]:
    """The ids of companies given as (name, registrable domain or None), created where they are missing.

    One that was known by name only gets the domain that is named with it now, and keeps its id.
    """
    if not items:
        return []
    keys = [company_key(name, domain) for name, domain in items]
    # A fixed order of rows: two runs at once wait for one another instead of dead-locking.
    wanted = sorted(
        {(key, name, domain) for key, (name, domain) in zip(keys, items, strict=True)}, key=lambda row: (row[0], row[1])
    )
    first = {key: (key, name, domain) for key, name, domain in reversed(wanted)}
    rows = [first[key] for key in sorted(first)]
    columns = [list(column) for column in zip(*rows, strict=True)]
    by_name = [f"name:{name_key(row[1])}" for row in rows]
    renamed = connection.execute(
        "update raw.companies as known set website_domain = given.domain, company_key = given.key,"
        " domain_source = 'named' from unnest(%s::text[], %s::text[], %s::text[]) as given (key, domain, name_key)"
        " where known.company_key = given.name_key and given.domain is not null and known.website_domain is null"
        " and not exists (select from raw.companies as other where other.company_key = given.key)"
        " returning known.company_id",
        (columns[0], columns[2], by_name),
    ).fetchall()
    if renamed:
        connection.execute(
            "select intermediate.touch('raw.companies', array_agg(distinct tenant_id)) from raw.customer_seeds"
            " where company_id = any(%s) having count(*) > 0",
            ([row[0] for row in renamed],),
        )
    connection.execute(
        "insert into raw.companies (company_key, name, website_domain, domain_source)"
        " select key, name, domain, case when domain is not null then 'named' end"
        " from unnest(%s::text[], %s::text[], %s::text[]) as given (key, name, domain)"
        " on conflict (company_key) do nothing",
        columns,
    )
    found: dict[str, int] = dict(
        connection.execute(
            "select company_key, company_id from raw.companies where company_key = any(%s)", (columns[0],)
        ).fetchall()
    )
    return [found[key] for key in keys]
