"""Name keys of whole columns: the key of ``models_py.matching.names``, once per different name.

Two million names take about ten seconds; that is why only names of new and changed entities get here.
"""

from __future__ import annotations

import hashlib

import polars as pl

from models_py.matching.names import name_key

LONGEST_KEY = 500  # characters: a few scripts unfold to many times their length, and a key must fit a btree page
# Whatever changes in how keys are made shows in one of these; a new way makes every entity count as changed.
_PROBES = (
    "Acme Trading Pte. Ltd.",
    "THE A.B.C. HOLDING COMPANY & SONS SDN BHD",
    "Müller-Söhne GmbH & Co. KG",
    "K.K. Café 2000 (Singapore) Private Limited",
    "Pte Ltd",
    "L'Oréal S.A.",
    "O'Brien's_Bar, Inc",
)


def keys_of(names: pl.Series) -> pl.Series:
    """The key of each name; the name itself in lower case where nothing of it makes a key (only punctuation)."""
    known: dict[str, str] = {}
    keys = [known.get(name) or known.setdefault(name, _key(name)) for name in names]
    return pl.Series("name_key", keys, dtype=pl.String)


def keys_of_lists(names: pl.Series) -> pl.Series:
    """The same for lists of names: different keys of each row, in order."""
    rows = pl.DataFrame({"row": pl.Series(range(len(names)), dtype=pl.Int64), "name": names})
    single = rows.filter(pl.col("name").list.len() > 0).explode("name")  # few have any: the others cost nothing
    keys = single.with_columns(keys_of(single["name"])).group_by("row", maintain_order=True)
    lists = keys.agg(pl.col("name_key").unique(maintain_order=True))
    found = rows.select("row").join(lists, on="row", how="left", maintain_order="left")["name_key"]
    return found.fill_null(pl.Series([[]], dtype=pl.List(pl.String))).alias("former_name_keys")


def key_version() -> str:
    """Changes when keys are made in another way."""
    return hashlib.sha256("\n".join(map(_key, _PROBES)).encode()).hexdigest()[:12]


def _key(name: str) -> str:
    return (name_key(name) or name.lower())[:LONGEST_KEY]
