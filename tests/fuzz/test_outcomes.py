"""Any rows, files and mappings of outcomes: a sentence, or every row accounted for and the database as it says."""

from __future__ import annotations

import csv
import datetime as dt
import decimal
import gzip
import io
import json
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
import yaml

from ingest.errors import IngestError
from ingest.files.opening import open_source
from ingest.files.source import SourceFile, batches
from ingest.mapping_files import files_like
from ingest.outcomes.entities import ENTITIES, Entity
from ingest.outcomes.load import FileReport, load_outcomes
from ingest.outcomes.mapping import Mapping, read_mapping
from ingest.outcomes.parsing import Parser
from tests.fuzz import junk, runner
from tests.fuzz.sentences import assert_sentence
from warehouse import tenants
from warehouse.connection import Warehouse
from warehouse.errors import UnknownTenant, WarehouseError

TABLES = {
    "leads": "leads",
    "status_events": "lead_status_events",
    "activities": "activities",
    "score_snapshots": "lead_score_snapshots",
}
LEADS = ("id", "title", "industry", "created", "deleted", "staff", "country", "hiring", "origin")
EVENTS = ("lead", "at", "status")
ACTIVITIES = ("nr", "lead", "what", "at", "content")
SCORES = ("lead", "at", "components", "weights", "version", "score")
MAPPING: dict[str, Any] = {
    "leads": {
        "files": "leads.csv",
        "columns": {
            "lead_id": "id",
            "title": "title",
            "industry": {"column": "industry", "values": {"IT": "Software", "n/a": ""}},
            "created_at": "created",
            "deleted_at": "deleted",
            "employee_count": "staff",
            "country": "country",
            "is_hiring": "hiring",
        },
        "attributes": {"origin": "origin"},
    },
    "status_events": {
        "files": "events.csv",
        "columns": {"lead_id": "lead", "occurred_at": "at", "status": "status"},
    },
    "activities": {
        "files": "activities.csv",
        "columns": {
            "activity_id": "nr",
            "lead_id": "lead",
            "action": "what",
            "occurred_at": "at",
            "content_snapshot": "content",
        },
    },
    "score_snapshots": {
        "files": "scores.csv",
        "columns": {
            "lead_id": "lead",
            "scored_at": "at",
            "components": "components",
            "weights_used": "weights",
            "weights_version": "version",
            "score": "score",
        },
    },
}
# The same in the other ways that a mapping knows.
INLINE = {
    "files": "leads.csv",
    "columns": {
        "lead_id": "id",
        "status": "title",
        "status_at": "created",
        "scored_at": "deleted",
        "components": "industry",
        "score": "staff",
        "weights_version": "country",
        "recently_funded": "hiring",
    },
    "attributes": {"title": "title", "a 'b' \\ c": {"column": "origin", "otherwise": "reject", "values": {"x": "y"}}},
}
KEYLESS = {"files": "activities.csv", "columns": {"lead_id": "lead", "action": "what", "occurred_at": "at"}}
DATE_FORMATS = (
    "", "%", "%Q", "%Y", "%H:%M", "%s", "%Y-%m-%d %Z", "%+", "%y%y%y", "%%", "%-d.%-m.%Y", "%j", "%c", "%Y-%m-%d" * 50,
    "epoch", "%d.%m.%Y %z", "%::z", "%.9f", "x" * 900, "%Y-%m-%dT%H:%M:%S%.f%:z", "%G-W%V-%u", "%3f", "%f", "%n%t",
    "%e", "%p", "%I", "%#z",
)  # fmt: skip
FILES = (
    "/abs/*.csv", "**", "a**b/*.csv", "[", "[!", "*", "..", ".", "", "/", "~", "leads.csv/", "/dev/null", "/dev/zero",
    "l*.csv", "x" * 300, "x" * 5_000, "../*", "leads.csv", ["leads.csv", "leads.csv"], [], "/proc/self/mem",
    "mapping.yaml",
)  # fmt: skip
LOADED = 20  # every twentieth file and mapping goes into the database too
ZONES = ("UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia", "America/St_Johns")


@dataclass(frozen=True)
class Held:
    """Rows of a tenant by entity, and open rejects of its source."""

    rows: dict[str, int]
    rejects: dict[str, int]


class World:
    """A folder with files, and a tenant of its own for each load."""

    def __init__(self, warehouse: Warehouse, connection: psycopg.Connection, folder: Path) -> None:
        self.warehouse = warehouse
        self.connection = connection
        self.folder = folder
        self.loads = 0
        self.held = Held(dict.fromkeys(TABLES, 0), {})

    def begin(self) -> dict[str, Any]:
        """Forget the last files; returns the head of a mapping for the next."""
        for path in self.folder.iterdir():
            path.unlink()
        if self.loads % 400 == 0:
            self.connection.execute(
                "truncate raw.tenants, raw.leads, raw.lead_status_events, raw.activities, raw.lead_score_snapshots,"
                " raw.rejected_rows, raw.loads, raw.sources, intermediate.tenant_versions cascade"
            )
        if self.held.rows["leads"] or self.held.rejects or not self.loads:
            self.loads += 1
            self.tenant = f"t{self.loads}"
            self.tenant_id = tenants.add_tenant(self.connection, slug=self.tenant).tenant_id
        self.held = Held(dict.fromkeys(TABLES, 0), {})
        return {"name": self.tenant, "tenant": self.tenant}

    def load(self, mapping: dict[str, Any], **options: Any) -> tuple[FileReport, ...] | str:
        """The files' reports, or the sentence; either way the database is as it says."""
        path = self.folder / "mapping.yaml"
        path.write_text(yaml.safe_dump(mapping, allow_unicode=True), encoding="utf-8", errors="replace")
        before = self.held
        self.held = Held(dict.fromkeys(TABLES, -1), {})  # not known, should the load crash
        try:
            files = load_outcomes(self.warehouse, path, **options).files
        except (IngestError, WarehouseError) as refusal:
            assert_sentence(refusal)
            assert self.look() == before, "a refused load left rows"
            return str(refusal)
        after = self.look()
        for entity in TABLES:
            counts = [file.counts for file in files if file.entity == entity and file.status == "loaded"]
            for each in counts:
                assert min(each.read, each.inserted, each.updated, each.rejected, each.unchanged) >= 0, each
                assert each.waiting <= each.rejected
            if entity in mapping:  # leads write events and snapshots too
                assert after.rows[entity] - before.rows[entity] == sum(each.inserted for each in counts), entity
            if mapping.get("name") == self.tenant:  # else it is a name that other cases had too
                rejected, kept = sum(each.rejected for each in counts), after.rejects.get(entity, 0)
                assert kept <= rejected and bool(kept) == bool(rejected), entity  # the same row twice is kept once
        return files

    def parse(self, mapping: dict[str, Any]) -> tuple[int, int] | str:
        """What a load does before it comes to the database: rows read and rejected, or the sentence."""
        path = self.folder / "mapping.yaml"
        path.write_text(yaml.safe_dump(mapping, allow_unicode=True), encoding="utf-8", errors="replace")
        rows = rejected = 0
        try:
            said = read_mapping(path)
            for entity in ENTITIES:
                part = said.entity(entity)
                for pattern in part.files or () if part else ():
                    for file in (
                        files_like(self.folder, pattern) if set(pattern) & set("*?[") else [self.folder / pattern]
                    ):
                        with open_source(file, encoding=said.encoding, delimiter=said.delimiter) as content:
                            read, bad = self.parse_file(entity, said, content)
                        # Within damaged Parquet a reader may stop without a word; a load refuses then.
                        assert read == content.rows or file.suffix == ".parquet", (entity.name, read, content.rows)
                        if read != content.rows:
                            return "fewer rows than were counted"
                        rows, rejected = rows + read, rejected + bad
        except (IngestError, WarehouseError) as refusal:
            assert_sentence(refusal)
            return str(refusal)
        return rows, rejected

    def parse_file(self, entity: Entity, said: Mapping, content: SourceFile) -> tuple[int, int]:
        known = {self.tenant: self.tenant_id}
        if isinstance(said.tenant, str) and said.tenant not in known:
            raise UnknownTenant("There is no such tenant.")
        parser = Parser(
            entity, said, header=content.header, file_name=content.name, tenants=known, timezone=said.timezone or "UTC"
        )
        read = rejected = 0
        for batch in batches(content):
            parsed = parser.parse(batch)
            read += parsed.good.height + parsed.bad.height
            rejected += parsed.bad.height
            assert parsed.bad["reason"].null_count() == 0
            texts = parsed.good.select(pl.selectors.string().str.contains("\x00", literal=True).any()).row(0)
            assert not any(texts), "a NUL goes to the database"
        return read, rejected

    def look(self) -> Held:
        """What the database holds of the tenant; nothing is half done."""
        of = "(select count(*) from raw.{} where tenant_id = %(tenant)s)"
        found = self.connection.execute(
            f"select {', '.join(of.format(table) for table in TABLES.values())},"
            " (select coalesce(jsonb_object_agg(entity, n), '{}') from (select entity, count(*) as n"
            " from raw.rejected_rows where source = %(source)s and resolved_at is null and length(reason) > 5"
            " group by 1) as counted), (select count(*) from raw.loads where status = 'running')".encode(),
            {"tenant": self.tenant_id, "source": self.tenant},
        ).fetchone()
        assert found is not None and found[-1] == 0, "a load is left running"
        self.held = Held(dict(zip(TABLES, found[:4], strict=True)), found[4])
        return self.held

    def one(self, statement: str, *parameters: Any) -> tuple[Any, ...]:
        row = self.connection.execute(statement.encode(), parameters).fetchone()
        assert row is not None
        return tuple(row)


@pytest.fixture
def world(warehouse: Warehouse, connection: psycopg.Connection, tmp_path: Path) -> World:
    return World(warehouse, connection, tmp_path)


def written(rows: list[tuple[str, ...]], header: tuple[str, ...], delimiter: str = ",") -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def good_rows(chance: random.Random, n: int, inline: bool = False) -> dict[str, list[tuple[str, ...]]]:
    """Rows without a fault: their keys begin with ``good``; leads for ``INLINE`` where wanted."""
    day = dt.date(2026, 1, 1)
    days = [str(day + dt.timedelta(days=chance.randrange(300))) for _ in range(n)]
    scored = [(f"good{i}", "converted", '{"timing": 3}', days[i], days[i], "61.5", "2", "no", "x") for i in range(n)]
    return {
        "leads": scored
        if inline
        else [
            (f"good{i}", f"Head of {i} 🚀", "IT", days[i], "", str(i), "DE", "yes", f'fair, "{i}"') for i in range(n)
        ],
        "events": [(f"good{i}", days[i], "Not interested") for i in range(n)],
        "activities": [(f"good{i}", f"good{i}", "email_sent", days[i], '{"subject": "ü"}') for i in range(n)],
        "scores": [
            (f"good{i}", days[i], '{"timing": 3, "risk": 0}', '{"timing": 0.25}', "2", "61.5") for i in range(n)
        ],
    }


def spoilt(chance: random.Random, row: tuple[str, ...], key: str) -> tuple[str, ...]:
    """A row with one to three cells, or its length, wrong."""
    cells = [key if cell.startswith("good") and chance.random() < 0.9 else cell for cell in row]
    for _ in range(chance.choice((1, 1, 2, 3))):
        cells[chance.randrange(len(cells))] = junk.text(chance)
    if chance.random() < 0.05:
        cells = cells[: chance.randrange(len(cells))] or [""]
    elif chance.random() < 0.05:
        cells += [junk.text(chance)]
    return tuple(cells)


def ends(files: tuple[FileReport, ...]) -> Counter[str]:
    rejected = sum(file.counts.rejected for file in files)
    return Counter(rejected=rejected, loaded=sum(file.counts.read for file in files) - rejected)


def test_any_rows_are_loaded_or_rejected_with_a_reason(world: World) -> None:
    bad, good = 100, 25

    def one(chance: random.Random, case: int) -> Counter[str]:
        mapping = world.begin() | MAPPING | {"timezone": chance.choice(ZONES), "delimiter": chance.choice(",;\t|")}
        mapping["date_formats"] = chance.choice((["iso"], ["%d.%m.%Y", "iso"], ["iso", "epoch"], ["%m/%d/%Y", "iso"]))
        inline = case % 3 == 2
        if inline:
            mapping = {name: value for name, value in mapping.items() if name not in MAPPING}
            mapping |= {"leads": INLINE, "activities": KEYLESS}
        headers = {"leads": LEADS, "events": EVENTS, "activities": ACTIVITIES, "scores": SCORES}
        lines = {}
        for name, rows in good_rows(chance, good, inline).items():
            rows += [spoilt(chance, chance.choice(rows), f"bad{i}") for i in range(bad)]
            rows = [tuple(junk.texts(list(row))) for row in rows]
            chance.shuffle(rows)
            text = written(rows, headers[name], mapping["delimiter"])
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=mapping["delimiter"])
            lines[name] = sum(1 for row in reader if row) - 1
            (world.folder / f"{name}.csv").write_text(text, encoding="utf-8", newline="")
        files = world.load(mapping)
        assert not isinstance(files, str), files
        assert [file.counts.read for file in files] == [
            lines[name] for name in lines if not inline or name in ("leads", "activities")
        ]
        assert world.one(
            "select count(*) filter (where source_id ~ '^good[0-9]+$'), count(*) filter (where not ("
            " coalesce(created_at between '1969-12-30' and '2101-01-02', true) and length(title) <= 500"
            " and coalesce(employee_count between 0 and 10000000, true))) from raw.leads where tenant_id = %s",
            world.tenant_id,
        ) == (good, 0), "a row without a fault was lost, or one with a fault got in"
        assert world.one(
            "select count(*) from raw.lead_score_snapshots where score = 'NaN' or abs(score) > 1000 or timing > 15"
        ) == (0,)
        if case % 5 == 0:
            again = world.load(mapping, again=True)
            assert not isinstance(again, str), again
            # The same rows again change nothing; which of two that contradict each other counts stays the same.
            assert [(file.counts.inserted, file.counts.updated) for file in again] == [(0, 0)] * len(files)
            assert [file.counts.rejected for file in again] == [file.counts.rejected for file in files]
        return ends(files)

    runner.run("rows of outcomes", one, small=750, at_once=3 * (bad + good), most_seconds=60)


def good_file(chance: random.Random, delimiter: str) -> str:
    rows = good_rows(chance, 12)["leads"]
    rows.append(("q1", 'says "hello"', "multi\nline", "2026-02-01", "", "5", "SG", "no", "x" * 300))
    return written(rows, LEADS, delimiter)


def json_lines(chance: random.Random) -> bytes:
    """Leads as NDJSON; some of them changed into other JSON."""
    rows: list[Any] = [dict(zip(LEADS, row, strict=True)) for row in good_rows(chance, 12)["leads"]]
    rows = [junk.changed(chance, row) if chance.random() < 0.4 else row for row in rows]
    return "\n".join(json.dumps(row, ensure_ascii=chance.random() < 0.5) for row in rows).encode("utf-8", "replace")


def parquet(chance: random.Random) -> bytes:
    """Leads as Parquet; some columns of types that no text becomes."""
    rows = good_rows(chance, 6)["leads"]
    frame = pl.DataFrame({name: [row[place] for row in rows] for place, name in enumerate(LEADS)})
    odd: list[pl.Series] = [
        pl.Series([1e400, float("nan"), -0.0, 1.5, None, 2**53]),
        pl.Series([b"\xff\x00", b"", None, b"a", b"b", b"c"]),
        pl.Series([[1], [], None, [None], [2], [3]]),
        pl.Series([{"a": 1}] * 6),
        pl.Series([dt.date.min, dt.date.max, None, dt.date(2024, 2, 29), dt.date(1970, 1, 1), dt.date(2100, 1, 1)]),
        pl.Series([dt.datetime.min, dt.datetime.max, None, *[dt.datetime(2026, 3, 29, 2, 30)] * 3]),
        pl.Series([dt.datetime(2026, 1, 1, tzinfo=dt.UTC)] * 6),
        pl.Series([dt.timedelta(days=10**6)] * 6),
        pl.Series([dt.time.max] * 6),
        pl.Series([None] * 6),
        pl.Series([True, False, None] * 2),
        pl.Series([2**63, 2**64 - 1, 0, 1, 2, 3], dtype=pl.UInt64),
        pl.Series([decimal.Decimal("1e30"), decimal.Decimal("-0.1"), None] * 2),
        pl.Series(["a", "b", "a", None, "\x00", ""], dtype=pl.Categorical),
        pl.Series(["x" * 100_000, "\x00", "🚀", None, "", "-"]),
    ]
    for _ in range(chance.choice((0, 1, 2))):
        frame = frame.with_columns(chance.choice(odd).alias(chance.choice(LEADS)))
    target = io.BytesIO()
    frame.write_parquet(target)
    return target.getvalue()


def test_any_file_is_refused_or_loaded_whole(world: World) -> None:
    encodings = ("utf-8", "utf-8", "utf-8", "utf-16", "utf-16-le", "latin-1", "cp1252", "utf-8-sig", "ascii", "big5")
    names = ("leads.csv",) * 7 + ("leads.csv.gz", "leads.ndjson", "leads.jsonl.gz", "leads.parquet", "leads.parquet")

    def one(chance: random.Random, case: int) -> str:
        delimiter, encoding, name = chance.choice(",,,;\t"), chance.choice(encodings), chance.choice(names)
        leads = MAPPING["leads"] | {"files": name}
        mapping = world.begin() | {"leads": leads, "delimiter": delimiter, "encoding": encoding}
        if "json" in name:
            data = json_lines(chance)
        elif "parquet" in name:
            data = parquet(chance)
        else:
            data = good_file(chance, delimiter).encode("utf-8" if chance.random() < 0.5 else encoding, "replace")
        whole = chance.random() < (0.05 if "csv" in name else 0.4)
        data = data if whole else junk.damaged(chance, data)
        packed = gzip.compress(data, 1) if name.endswith(".gz") else data
        if packed is not data and chance.random() < 0.3:
            packed = junk.damaged(chance, packed)
        (world.folder / name).write_bytes(packed)
        parsed = world.parse(mapping)
        if case % LOADED == 0:
            files = world.load(mapping)
            assert isinstance(files, str) == isinstance(parsed, str), (files, parsed)
            if not isinstance(files, str):
                counts = files[0].counts
                assert counts.read == parsed[0] and counts.rejected >= int(parsed[1])  # keys that come twice
        if isinstance(parsed, str):
            return "sentence"
        if name == "leads.csv" and not data.startswith(b"\x1f\x8b"):
            try:
                text = data.decode("utf-8-sig" if encoding.startswith("utf-8") or encoding == "ascii" else encoding)
            except UnicodeDecodeError:
                raise AssertionError(f"{encoding} was read that cannot be decoded") from None
            records = sum(1 for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row)
            assert parsed[0] == records - 1, (parsed, records)
        return "rejects" if parsed[1] else "clean"

    runner.run("files of outcomes", one, small=30, most_seconds=30)


def test_any_mapping_of_good_files_is_refused_or_loads_them(world: World) -> None:
    settings = {
        "encoding": ("rot13", "idna", "base64", "undefined", "utf_7", "", "\u202e", "x" * 1_000, "utf-8\n", "mbcs"),
        "delimiter": ('"', "\n", "\r", " ", "\\", "ä", "'", "a", "#", "0", "\x01", "=", ".", "-", "tab"),
        "timezone": ("", "UTC ", "localtime", "../UTC", "Etc/GMT+12", "right/UTC", "posix/UTC", "Factory", "EST5EDT"),
        "date_formats": [[each] for each in DATE_FORMATS] + [["iso", "%"], ["%Y-%m-%d", "epoch", "iso"], []],
        "null_values": ([""], ["yes"], ["good1"], ["\u202e"] * 100, ["x" * 10_000]),
        "name": ("'; drop table raw.leads; --", "", " ", "x" * 5_000, "🚀", "%s", "a\tb", "\u202e", "{0}"),
        "tenant": ("'; drop table raw.tenants; --", "", "nobody", "%(x)s", "🚀", {"column": "id"}, {"column": "nope"}),
    }

    def one(chance: random.Random, case: int) -> str:
        head = world.begin()
        mapping: dict[str, Any] = head | {name: MAPPING[name] for name in MAPPING if chance.random() < 0.6}
        for name, header in (("leads", LEADS), ("events", EVENTS), ("activities", ACTIVITIES), ("scores", SCORES)):
            text = written(good_rows(chance, 3)[name], header)
            (world.folder / f"{name}.csv").write_text(text, encoding="utf-8")
        if chance.random() < 0.5:
            for name in chance.sample(list(settings), chance.choice((1, 1, 2))):
                mapping[name] = chance.choice(settings[name])
        elif chance.random() < 0.4:
            entity = chance.choice(list(MAPPING))
            mapping[entity] = MAPPING[entity] | {"files": chance.choice(FILES)}
        else:
            mapping = junk.changed(chance, mapping)
            if chance.random() < 0.7:
                mapping |= head
        mapping = junk.texts(mapping)
        parsed = world.parse(mapping)
        if case % LOADED == 0:
            loaded = world.load(mapping)
            assert isinstance(loaded, str) or not isinstance(parsed, str), (loaded, parsed)
        return "sentence" if isinstance(parsed, str) else "rejects" if parsed[1] else "clean"

    runner.run("mappings at work", one, small=30, most_seconds=30)
