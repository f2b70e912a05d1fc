"""Taking one person's rows and words out of every table, within the caller's transaction.

What is a person's own goes or becomes anonymous; where a text only mentions the person, the words are replaced. Tables
are found in the catalogue: one that is added later is searched without being named here.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

import psycopg

from warehouse.person import Person, like_literal
from warehouse.suppression import GONE, row_key

Action = Literal["deleted", "made anonymous", "words replaced"]
SCHEMAS = ("raw", "intermediate", "marts", "learned")
# Customers themselves, and hashes.
_LEFT_ALONE = ("raw.tenants", "raw.suppressions", "raw.activity_kinds")
_TEXTS = ("text", "varchar", "bpchar", "json", "jsonb", "_text", "_varchar")
_OF_LEADS = ("raw.lead_status_events", "raw.activities", "raw.lead_score_snapshots")


@dataclass(frozen=True)
class Removed:
    """What was done in one table."""

    table: str
    action: Action
    rows: int
    tenant_ids: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Removal:
    """What was done, and the keys of deleted rows that nothing else would recognise again."""

    removed: tuple[Removed, ...]
    row_keys: tuple[tuple[str, int | None], ...]


@dataclass(frozen=True)
class _Words:
    """Texts to look for: LIKE patterns as a sieve, a regular expression as the judge (no case in either)."""

    likes: tuple[str, ...]
    regex: str

    @property
    def parameters(self) -> dict[str, Any]:
        """What conditions of :meth:`found_in` take."""
        return {"likes": list(self.likes), "regex": self.regex}

    def found_in(self, column: str) -> str:
        """A condition on a column."""
        return f"({column} ilike any(%(likes)s) and {column} ~* %(regex)s)"


def remove(connection: psycopg.Connection, person: Person, *, erase: bool) -> Removal:
    """Remove a person from all tables and say which relations changed for whom.

    Args:
        erase: leads go as a whole; else an anonymous lead keeps outcome, components and days.
    """
    exact, by_name = _exact(person), _by_name(person)
    own = {"tenant": person.tenant_id, **exact.parameters}
    removed: list[Removed] = []
    row_keys: list[tuple[str, int | None]] = []
    removed.append(_rejects(connection, person, exact, by_name))
    for words, where, values in _public(person, exact, by_name):
        pages = connection.execute(
            f"delete from raw.crawl_pages where {where}"
            f" and ({' or '.join(words.found_in(name) for name in ('url', 'title', 'text', 'html', 'reason'))})"
            " returning url".encode(),
            values,
        ).fetchall()
        row_keys += [(row_key("raw.crawl_pages", url), None) for (url,) in pages]
        removed.append(Removed("raw.crawl_pages", "deleted", len(pages)))
    facts = " or ".join(exact.found_in(name) for name in ("value::text", "value_key", "url"))
    for table in ("raw.icp_evidence", "raw.company_signals"):
        scope = " and (%(tenant)s::int is null or tenant_id = %(tenant)s)" if table == "raw.icp_evidence" else ""
        removed.append(_deleted(connection, table, f"({facts}){scope}", own))
    removed.append(
        _deleted(
            connection, "raw.contacts", "contact_id = any(%(ids)s)", {"ids": [c.contact_id for c in person.contacts]}
        )
    )
    row_keys += [
        (row_key("raw.contacts", c.tenant_id, c.company_id, c.contact_key), c.tenant_id) for c in person.contacts
    ]
    removed += _leads(connection, person, erase=erase)
    removed += _mentions(connection, exact, tenant_ids=None if person.tenant_id is None else [person.tenant_id])
    if person.names and person.tenant_ids:
        removed += _mentions(connection, by_name, tenant_ids=person.tenant_ids, companies=person.company_ids)
    done = tuple(one for one in removed if one.rows)
    _touch(connection, done)
    return Removal(done, tuple(row_keys))


def delete_rows(connection: psycopg.Connection, table: str, key: str, values: Collection[Any]) -> Removed:
    """Delete rows of a table by one column, and say for whom it changed."""
    done = _deleted(connection, table, f"{key} = any(%(values)s)", {"values": list(values)})
    _touch(connection, [done])
    return done


# -- words -------------------------------------------------------------------------------------------------------


def _exact(person: Person) -> _Words:
    """Addresses and profiles: they are one person's wherever they stand."""
    start = r"((?<![[:alnum:]_.+%-])|(?<=\\[nrtbf]))"  # within JSON a line break is a backslash and a letter
    parts, likes = [], []
    for text in sorted(person.emails):
        parts.append(rf"{start}{_literal(text)}(?![[:alnum:]_-])(?!\.[[:alnum:]])")
        likes.append(f"%{like_literal(text)}%")
    for text in sorted(person.handles):
        for spelt in sorted({text, urllib.parse.quote(text, safe="-_.~").lower()}):
            host = r"(https?://)?([[:alnum:]-]+\.)?linkedin\.com/(in|pub)/"
            parts.append(rf"{host}{_literal(spelt)}(?![[:alnum:]_%~-])")
            likes.append(f"%{like_literal(spelt)}%")
    return _Words(tuple(likes), "|".join(f"({part})" for part in parts) or "(?!x)x")


def _by_name(person: Person) -> _Words:
    """Full names, word by word, whatever stands between the words."""
    parts, likes = [], []
    for name in sorted(person.names):
        words = name.split()
        between = r"(\s|\\[nrt]|&nbsp;|,)+"
        parts.append(rf"(?<![[:alnum:]_]){between.join(map(_literal, words))}(?![[:alnum:]_])")
        likes.append("%" + "%".join(map(like_literal, words)) + "%")
    return _Words(tuple(likes), "|".join(f"({part})" for part in parts) or "(?!x)x")


def _literal(text: str) -> str:
    """A text within a regular expression of Postgres; a quote also as it stands in JSON."""
    return re.sub(r"([^\w\s])", r"\\\1", text).replace('\\"', r"(\\)?\"")


def _public(person: Person, exact: _Words, by_name: _Words) -> Iterable[tuple[_Words, str, dict[str, Any]]]:
    """Where public pages are searched: for an address everywhere, for a name on the person's companies' sites."""
    yield exact, "true", exact.parameters
    if person.names:
        where = (
            "domain in (select website_domain from raw.companies where company_id = any(%(companies)s) or"
            " (cardinality(%(companies)s) = 0 and company_id in (select company_id from raw.crawl_runs"
            " where tenant_id = any(%(tenants)s))))"
        )
        values = {"companies": list(person.company_ids), "tenants": list(person.tenant_ids)}
        yield by_name, where, {**values, **by_name.parameters}


# -- rows --------------------------------------------------------------------------------------------------------


def _rejects(connection: psycopg.Connection, person: Person, exact: _Words, by_name: _Words) -> Removed:
    """Rejected rows hold the source's record as text. One that names the person's lead goes as well as its touches."""
    columns = ("content", "reason", "record_key", "file")
    says = {words: " or ".join(words.found_in(name) for name in columns) for words in (exact, by_name)}
    ids: dict[int, list[str]] = {}
    for tenant_id, source_id in person.lead_ids:
        ids.setdefault(tenant_id, []).append(source_id)
    done = [
        _deleted(
            connection,
            "raw.rejected_rows",
            f"(%(tenant)s::int is null or tenant_id = %(tenant)s or tenant_id is null) and ({says[exact]})",
            {"tenant": person.tenant_id, **exact.parameters},
        ),
        _deleted(
            connection,
            "raw.rejected_rows",
            f"tenant_id = any(%(tenants)s) and ({says[by_name]})",
            {"tenants": list(person.tenant_ids), **by_name.parameters},
        ),
        *(
            _deleted(
                connection,
                "raw.rejected_rows",
                "tenant_id = %(tenant)s and (record_key = any(%(ids)s) or record_key like any(%(begins)s)"
                " or content ~ %(values)s)",
                {
                    "tenant": tenant_id,
                    "ids": known,
                    "begins": [f"{like_literal(one)}|%" for one in known],
                    "values": rf"[:\[,]\s*\"({'|'.join(map(_literal, known))})\"",
                },
            )
            for tenant_id, known in ids.items()
        ),
    ]
    tenants = frozenset().union(*(one.tenant_ids for one in done))
    return Removed("raw.rejected_rows", "deleted", sum(one.rows for one in done), tenants)


def _leads(connection: psycopg.Connection, person: Person, *, erase: bool) -> list[Removed]:
    """Leads with all that hangs on them; before that, their anonymous twins."""
    if not person.leads:
        return []
    connection.execute("create temporary table forgotten (tenant_id int, lead_id bigint) on commit drop")
    connection.execute(
        "insert into forgotten select * from unnest(%s::int[], %s::bigint[])",
        ([lead.tenant_id for lead in person.leads], [lead.lead_id for lead in person.leads]),
    )
    if not erase:
        connection.execute(_TWINS)
    mine = "(tenant_id, lead_id) in (select tenant_id, lead_id from forgotten)"
    own: Action = "deleted" if erase else "made anonymous"
    done = []
    for table in (*_tables_with_leads(connection), *_OF_LEADS, "raw.leads"):
        one = _deleted(connection, table, mine, {})
        done.append(replace(one, action=own if table in (*_OF_LEADS, "raw.leads") else "deleted"))
    connection.execute("drop table forgotten")
    return done


# A stranger with the same outcome: new ids, no title, no attributes, no texts; moments as their day on the tenant's
# clock, in their order (a millisecond apart); the head-count to two digits. Columns that are added later stay empty.
_TWINS = """
create temporary table strangers on commit drop as
select forgotten.*, tenants.timezone, nextval(pg_get_serial_sequence('raw.leads', 'lead_id')) as stranger_id
from forgotten inner join raw.tenants as tenants using (tenant_id);

create temporary table days on commit drop as
select
    tenant_id, lead_id, at,
    date_trunc('day', at, timezone) + interval '1 millisecond' * row_number() over (
        partition by tenant_id, lead_id, date_trunc('day', at, timezone) order by at
    ) as day
from (
    select tenant_id, lead_id, timezone, unnest(array[created_at, first_contact_at, deleted_at]) as at
    from strangers inner join raw.leads using (tenant_id, lead_id)
    union
    select tenant_id, lead_id, timezone, occurred_at
    from strangers inner join raw.lead_status_events using (tenant_id, lead_id)
    union
    select tenant_id, lead_id, timezone, occurred_at
    from strangers inner join raw.activities using (tenant_id, lead_id)
    union
    select tenant_id, lead_id, timezone, scored_at
    from strangers inner join raw.lead_score_snapshots using (tenant_id, lead_id)
) as moments
where at is not null;

insert into raw.leads (
    tenant_id, lead_id, source_id, created_at, first_contact_at, deleted_at, industry, employee_count, country,
    is_new_role, is_hiring, recently_funded, load_id
) overriding system value
select
    tenant_id, stranger_id, 'forgotten ' || gen_random_uuid(),
    (select day from days where (days.lead_id, at) = (leads.lead_id, created_at)),
    (select day from days where (days.lead_id, at) = (leads.lead_id, first_contact_at)),
    (select day from days where (days.lead_id, at) = (leads.lead_id, deleted_at)),
    industry, ceil(employee_count / unit) * unit, country, is_new_role, is_hiring, recently_funded, load_id
from strangers inner join raw.leads as leads using (tenant_id, lead_id)
cross join lateral (select power(10, greatest(length(employee_count::text) - 2, 0)) as unit) as rounding;

insert into raw.lead_status_events (tenant_id, lead_id, occurred_at, status, load_id)
select tenant_id, stranger_id, day, status, load_id
from strangers inner join raw.lead_status_events using (tenant_id, lead_id)
inner join days using (tenant_id, lead_id) where at = occurred_at;

insert into raw.activities (tenant_id, source_id, lead_id, kind, occurred_at, load_id)
select tenant_id, 'forgotten ' || gen_random_uuid(), stranger_id, kind, day, load_id
from strangers inner join raw.activities using (tenant_id, lead_id)
inner join days using (tenant_id, lead_id) where at = occurred_at;

insert into raw.lead_score_snapshots (
    tenant_id, lead_id, scored_at, origin, data_quality, authority, company_fit, timing, risk, weight_data_quality,
    weight_authority, weight_company_fit, weight_timing, weights_version, score, load_id
)
select
    tenant_id, stranger_id, day, origin, data_quality, authority, company_fit, timing, risk, weight_data_quality,
    weight_authority, weight_company_fit, weight_timing, weights_version, score, load_id
from strangers inner join raw.lead_score_snapshots using (tenant_id, lead_id)
inner join days using (tenant_id, lead_id) where at = scored_at;

drop table days;
drop table strangers
"""


def _deleted(connection: psycopg.Connection, table: str, where: str, values: dict[str, Any]) -> Removed:
    tenant = "tenant_id" if "tenant_id" in _columns(connection).get(table, {}) else "null::int"
    rows = connection.execute(f"delete from {table} where {where} returning {tenant}".encode(), values).fetchall()
    return Removed(table, "deleted", len(rows), frozenset(row[0] for row in rows if row[0] is not None))


# -- every table -------------------------------------------------------------------------------------------------


def _columns(connection: psycopg.Connection) -> dict[str, dict[str, str]]:
    """Table → column → type, of all tables that may hold what a person left; generated columns are left out."""
    rows = connection.execute(
        "select format('%%I.%%I', schemas.nspname, tables.relname), quote_ident(columns.attname), types.typname"
        " from pg_class as tables join pg_namespace as schemas on schemas.oid = tables.relnamespace"
        " join pg_attribute as columns on columns.attrelid = tables.oid and columns.attnum > 0"
        " and not columns.attisdropped and columns.attgenerated = ''"
        " join pg_type as types on types.oid = columns.atttypid"
        " where tables.relkind in ('r', 'p') and schemas.nspname = any(%s) order by 1, columns.attnum",
        (list(SCHEMAS),),
    ).fetchall()
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in rows:
        found.setdefault(table, {})[column] = kind
    return found


def text_columns(connection: psycopg.Connection) -> list[tuple[str, str]]:
    """(table, column) of every text that is searched, as SQL."""
    return [
        (table, column)
        for table, columns in _columns(connection).items()
        if table not in _LEFT_ALONE
        for column, kind in columns.items()
        if kind in _TEXTS
    ]


def _tables_with_leads(connection: psycopg.Connection) -> list[str]:
    """Tables with rows about leads, apart from raw's own: the marts."""
    own = ("raw.leads", *_OF_LEADS)
    return [
        table
        for table, columns in _columns(connection).items()
        if table not in own and {"tenant_id", "lead_id"} <= set(columns)
    ]


def _mentions(
    connection: psycopg.Connection,
    words: _Words,
    *,
    tenant_ids: Collection[int] | None,
    companies: Collection[int] | None = None,
) -> list[Removed]:
    """Replace words in every text of every table.

    Args:
        tenant_ids: in tenants' tables only rows of these; None: all rows.
        companies: in tables without a tenant only rows of these companies; None: all rows.
    """
    if not words.likes:
        return []
    keys = _unique_texts(connection)
    done = []
    for table, columns in _columns(connection).items():
        texts = {name: kind for name, kind in columns.items() if kind in _TEXTS}
        if table in _LEFT_ALONE or not texts:
            continue
        by_tenant = "tenant_id" in columns
        scope = "true"
        if by_tenant and tenant_ids is not None:
            scope = "(tenant_id = any(%(tenants)s) or tenant_id is null)"
        elif not by_tenant and companies is not None:
            if "company_id" not in columns:
                continue
            scope = "company_id = any(%(companies)s)"
        changes = ", ".join(f"{name} = {_replaced(name, kind, (table, name) in keys)}" for name, kind in texts.items())
        found = " or ".join(words.found_in(f"{name}::text") for name in texts)
        rows = connection.execute(
            f"update {table} set {changes} where {scope} and ({found})"
            f" returning {'tenant_id' if by_tenant else 'null::int'}".encode(),
            {
                **words.parameters,
                "gone": GONE,
                "tenants": list(tenant_ids or ()),
                "companies": list(companies or ()),
            },
        ).fetchall()
        tenants = frozenset(row[0] for row in rows if row[0] is not None)
        done.append(Removed(table, "words replaced", len(rows), tenants))
    return done


def _replaced(name: str, kind: str, is_key: bool) -> str:
    """The column's value without the words; in keys told apart by chance, since two may mention one person."""
    gone = "%(gone)s || ' ' || left(gen_random_uuid()::text, 8)" if is_key else "%(gone)s"
    if kind.startswith("_"):
        one = f"regexp_replace(one, %(regex)s, {gone}, 'gi')"
        return f"case when {name} is not null then array(select {one} from unnest({name}) as one) end"
    cast = f"::{kind}" if kind.startswith("json") else ""
    return f"regexp_replace({name}::text, %(regex)s, {gone}, 'gi'){cast}"


def _unique_texts(connection: psycopg.Connection) -> frozenset[tuple[str, str]]:
    rows = connection.execute(
        "select format('%%I.%%I', schemas.nspname, tables.relname), quote_ident(columns.attname) from pg_index as keys"
        " join pg_class as tables on tables.oid = keys.indrelid"
        " join pg_namespace as schemas on schemas.oid = tables.relnamespace and schemas.nspname = any(%s)"
        " join pg_attribute as columns on columns.attrelid = tables.oid and columns.attnum = any(keys.indkey)"
        " where keys.indisunique",
        (list(SCHEMAS),),
    ).fetchall()
    return frozenset((str(table), str(column)) for table, column in rows)


def _touch(connection: psycopg.Connection, removed: Iterable[Removed]) -> None:
    """Say which tenants' rows changed, so that the next run rebuilds what was made of them."""
    for one in removed:
        schema = one.table.partition(".")[0]
        if not one.rows or schema not in ("raw", "learned"):
            continue
        if one.tenant_ids:
            connection.execute("select intermediate.touch(%s, %s)", (one.table, sorted(one.tenant_ids)))
        else:
            connection.execute("select intermediate.touch(%s, array_agg(tenant_id)) from raw.tenants", (one.table,))
