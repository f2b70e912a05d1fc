"""Links between versions of a classification into ``raw.industry_code_links``, within the caller's transaction.

Does not belong here: which code became which (``correspondence``).
"""

from __future__ import annotations

from collections import Counter

import psycopg

from ingest.registry.correspondence import correspond
from warehouse import bulk

_LINK_COLUMNS = {
    "from_version": "text",
    "from_code": "text",
    "to_version": "text",
    "to_code": "text",
    "basis": "text",
    "weight": "float8",
}


def relink(cursor: psycopg.Cursor, version: str, load_id: int) -> None:
    """Compute the links between a version and every other one, both ways."""
    cursor.execute(
        "delete from raw.industry_code_links as link where %(version)s in (from_version, to_version)"
        " and (basis <> 'official'"
        " or not exists (select from raw.industry_codes as c where c.version = from_version and c.code = from_code)"
        " or not exists (select from raw.industry_codes as c where c.version = to_version and c.code = to_code))",
        {"version": version},
    )
    others = cursor.execute(
        "select distinct version from raw.industry_codes where version <> %s order by 1", (version,)
    ).fetchall()
    own = titles(cursor.connection, version)
    official = {
        tuple(row)
        for row in cursor.execute(
            "select distinct from_version, from_code, to_version from raw.industry_code_links where basis = 'official'"
        )
    }
    rows = []
    for (other,) in others:
        of_other = titles(cursor.connection, other)
        for old, old_titles, new, new_titles in ((version, own, other, of_other), (other, of_other, version, own)):
            rows += [
                (old, link.from_code, new, link.to_code, link.basis, link.weight)
                for link in correspond(old_titles, new_titles)
                if (old, link.from_code, new) not in official
            ]
    _insert_links(cursor, rows, load_id)


def write_official(
    cursor: psycopg.Cursor, pairs: list[tuple[str, str]], from_version: str, to_version: str, load_id: int
) -> int:
    """Replace the official links between two versions, both ways; returns how many differ from before."""
    rows = []
    for old, new, both in (
        (from_version, to_version, pairs),
        (to_version, from_version, [(b, a) for a, b in pairs]),
    ):
        times = Counter(code for code, _ in both)
        rows += [(old, a, new, b, "official", 1 / times[a]) for a, b in both]
    before = {
        tuple(row)
        for row in cursor.execute(
            "select from_version, from_code, to_version, to_code, basis, weight from raw.industry_code_links"
            " where basis = 'official' and (from_version, to_version) in ((%(a)s, %(b)s), (%(b)s, %(a)s))",
            {"a": from_version, "b": to_version},
        )
    }
    if before == set(rows):
        return 0
    cursor.execute(
        "delete from raw.industry_code_links where (from_version, to_version) in ((%(a)s, %(b)s), (%(b)s, %(a)s))",
        {"a": from_version, "b": to_version},
    )
    _insert_links(cursor, rows, load_id)
    return len(before ^ set(rows))


def _insert_links(cursor: psycopg.Cursor, rows: list[tuple[str, str, str, str, str, float]], load_id: int) -> None:
    cursor.execute("drop table if exists staged_links")
    bulk.create_staging(cursor, "staged_links", _LINK_COLUMNS)
    bulk.copy_rows(cursor, "staged_links", _LINK_COLUMNS, rows)
    cursor.execute(
        f"insert into raw.industry_code_links ({', '.join(_LINK_COLUMNS)}, load_id)"
        f" select {', '.join(_LINK_COLUMNS)}, %s from staged_links".encode(),
        (load_id,),
    )


def titles(connection: psycopg.Connection, version: str) -> dict[str, str]:
    """Code → title of a version."""
    return dict(
        connection.execute("select code, title from raw.industry_codes where version = %s", (version,)).fetchall()
    )
