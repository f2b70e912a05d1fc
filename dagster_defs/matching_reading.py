"""Registry entities for matching: the few that could be meant by their key, or all of them, as columns."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import polars as pl
import psycopg
from numpy.typing import NDArray

from models_py.matching.index import MatchIndex, Queries
from models_py.matching.names import name_key

_SEPARATOR = "\x1f"
_SCHEMA = {
    "entity_id": pl.Int64,
    "name": pl.String,
    "name_key": pl.String,
    "former_names": pl.String,
    "website_domain": pl.String,
    "city": pl.String,
    "country": pl.String,
    "year": pl.Int16,
    "is_live": pl.String,
}


@dataclass(frozen=True, eq=False)
class Registry:
    """Entities ready for matching; ``entity_ids`` (n,) belong to the rows of the index."""

    entity_ids: NDArray[np.int64]
    index: MatchIndex


def count_entities(connection: psycopg.Connection) -> int:
    """Entities that the registries' files still have; an estimate is not good enough to say "none"."""
    row = connection.execute("select count(*) from raw.registry_entities where gone_at is null").fetchone()
    return int(row[0]) if row else 0


def read_likely(connection: psycopg.Connection, queries: Queries, *, of: int) -> Registry:
    """Entities with the domain or the (present or former) name key of one of the queries: by index, in one query.

    Args:
        of: how many entities there are in all.
    """
    keys = sorted({name_key(name) for name in queries.names})
    domains = sorted({domain for domain in queries.domains or () if domain})
    return _read(
        connection,
        "entity_id in (select entity_id from raw.registry_entities where name_key = any(%(keys)s::text[])"
        " union select entity_id from raw.registry_entities where former_name_keys && %(keys)s::text[]"
        " union select entity_id from raw.registry_entities where website_domain = any(%(domains)s::text[]))",
        {"keys": keys, "domains": domains},
        standing_for=of,
    )


def read_all(connection: psycopg.Connection) -> Registry:
    """All entities: two million take about half a minute, most of it for the index."""
    return _read(connection, "true", {}, standing_for=0)


def _read(
    connection: psycopg.Connection, condition: str, parameters: dict[str, list[str]], *, standing_for: int
) -> Registry:
    content = io.BytesIO()
    statement = (
        "copy (select entity_id, name, name_key, array_to_string(former_names, E'\\x1f') as former_names,"
        " website_domain, city, country, extract(year from incorporated_on)::smallint as year, is_live"
        f" from raw.registry_entities where gone_at is null and {condition} order by entity_id)"
        " to stdout (format csv, force_quote (name, name_key))"
    )
    with connection.cursor() as cursor, cursor.copy(statement.encode(), parameters or None) as copy:
        for block in copy:
            content.write(block)
    content.seek(0)
    frame = (
        pl.read_csv(content, has_header=False, schema=_SCHEMA)
        if content.getbuffer().nbytes
        else pl.DataFrame(schema=_SCHEMA)
    )
    former = frame["former_names"].fill_null("").to_list()
    return Registry(
        entity_ids=frame["entity_id"].to_numpy(),
        index=MatchIndex.build(
            frame["name"].to_list(),
            keys=frame["name_key"].fill_null("").to_list(),
            former_names=[text.split(_SEPARATOR) if text else () for text in former] if any(former) else None,
            domains=_some(frame["website_domain"]),
            cities=_some(frame["city"]),
            countries=_some(frame["country"]),
            years=None if frame["year"].null_count() == len(frame) else frame["year"].to_list(),
            is_live=(frame["is_live"] == "t").to_numpy(),
            standing_for=standing_for,
        ),
    )


def _some(column: pl.Series) -> list[str | None] | None:
    """A column, or None where the registry has nothing in it."""
    return None if column.null_count() == len(column) else column.to_list()
