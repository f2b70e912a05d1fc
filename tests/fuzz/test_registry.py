"""Any registry and any list of industry codes: a sentence, or every row accounted for and the database as it says."""

from __future__ import annotations

import csv
import io
import random
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
import yaml

from ingest.errors import IngestError
from ingest.files.opening import open_source
from ingest.files.source import batches
from ingest.registry.acra import ACRA
from ingest.registry.code_lists import read_code_list, read_code_table
from ingest.registry.files import find_files
from ingest.registry.load import load_registry
from ingest.registry.load_codes import load_code_table, load_industry_codes
from ingest.registry.mapping import read_registry_mapping
from ingest.registry.parsing import RegistryParser
from ingest.registry.report import RegistryReport
from tests.fuzz import junk, runner
from tests.fuzz.sentences import assert_sentence
from tests.ingest.registry.acra_files import COLUMNS, NOW, company
from warehouse import tenants
from warehouse.connection import Warehouse

MAPPING: dict[str, Any] = {
    "name": "contractors",
    "files": "*.csv",
    "date_formats": ["iso", "%d/%m/%Y"],
    "columns": {
        "registration_number": "uen",
        "name": "entity_name",
        "former_names": ["former_entity_name1", "former_entity_name2"],
        "status": "entity_status_description",
        "incorporated_on": "registration_incorporation_date",
        "industry_code": "primary_ssic_code",
        "street": {"columns": ["block", "street_name"], "separator": ", "},
        "employee_count": "no_of_officers",
        "website_domain": "name_of_audit_firm1",
    },
    "live_statuses": ["live"],
    "bad_codes": "empty",
    "repeated_numbers": "merge",
}


LOADED = 20  # every twentieth file goes into the database too


class Registry:
    """A folder with the files of a registry, and an empty warehouse for each load."""

    def __init__(self, warehouse: Warehouse, connection: psycopg.Connection, folder: Path) -> None:
        self.warehouse = warehouse
        self.connection = connection
        self.folder = folder
        tenants.add_tenant(connection, slug="acme")

    def begin(self) -> None:
        for path in self.folder.iterdir():
            path.unlink()
        self.forget()

    def forget(self) -> None:
        self.connection.execute(
            "truncate raw.registry_entities, raw.industry_codes, raw.industry_code_links, raw.sources, raw.loads,"
            " raw.rejected_rows cascade"
        )

    def load(self, *paths: Path, **options: Any) -> RegistryReport | str:
        """The report, or the sentence; either way the database is as it says."""
        before = self.one("select count(*) from raw.registry_entities")
        try:
            report = load_registry(self.warehouse, paths, now=NOW, **options)
        except IngestError as refusal:
            assert_sentence(refusal)
            assert self.one("select count(*) from raw.registry_entities") == before, "a refused load left rows"
            assert self.one("select count(*) from raw.sources") == 0
            return str(refusal)
        finally:
            assert self.one("select count(*) from raw.loads where status = 'running'") == 0
        counts = [file.counts for file in report.files]
        for each in counts:
            assert min(each.read, each.inserted, each.updated, each.rejected, each.unchanged) >= 0, each
            assert each.read == each.inserted + each.updated + each.unchanged + each.repeated + each.rejected, each
        assert self.one("select count(*) from raw.registry_entities") - before == sum(each.inserted for each in counts)
        kept = self.one("select count(*) from raw.rejected_rows where resolved_at is null and length(reason) > 5")
        rejected = sum(each.rejected for each in counts)
        assert kept <= rejected and bool(kept) == bool(rejected)
        return report

    def parse(
        self, *paths: Path, mapping_path: Path | None = None, encoding: str | None = None
    ) -> tuple[int, int] | str:
        """What a load does before it comes to the database: rows read and rejected, or the sentence."""
        rows = rejected = 0
        try:
            mapping = read_registry_mapping(mapping_path) if mapping_path else ACRA
            for path in find_files(paths or mapping.files, base=self.folder):
                with open_source(path, encoding=encoding or mapping.encoding, delimiter=mapping.delimiter) as content:
                    parser = RegistryParser(
                        mapping, header=content.header, file_name=content.name, code_version=None, known_codes=None
                    )
                    read = 0
                    for batch in batches(content):
                        parsed = parser.parse(batch)
                        read += parsed.good.height + parsed.bad.height
                        rejected += parsed.bad.height
                        assert parsed.bad["reason"].null_count() == 0
                        texts = parsed.good.select(pl.selectors.string().str.contains("\x00", literal=True).any()).row(
                            0
                        )
                        assert not any(texts), "a NUL goes to the database"
                    assert read == content.rows, (read, content.rows)
                    rows += read
        except IngestError as refusal:
            assert_sentence(refusal)
            return str(refusal)
        return rows, rejected

    def one(self, statement: str) -> Any:
        row = self.connection.execute(statement.encode()).fetchone()
        assert row is not None
        return row[0]


@pytest.fixture
def registry(warehouse: Warehouse, connection: psycopg.Connection, tmp_path: Path) -> Registry:
    folder = tmp_path / "registry"
    folder.mkdir()
    return Registry(warehouse, connection, folder)


def written(rows: list[list[str]], header: tuple[str, ...] = COLUMNS) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def companies(n: int, prefix: str = "good") -> list[list[str]]:
    rows = (
        company(f"{prefix}{i}", f"{prefix.upper()} {i} PTE. LTD.", former_entity_name1="Ängström") for i in range(n)
    )
    return [[row[column] for column in COLUMNS] for row in rows]


def test_any_rows_of_a_registry_are_loaded_or_rejected_with_a_reason(registry: Registry) -> None:
    bad, good = 200, 50

    def one(chance: random.Random, case: int) -> Counter[str]:
        registry.begin()
        rows = companies(good)
        for i in range(bad):
            (row,) = companies(1, f"bad{i}")
            for _ in range(chance.choice((1, 1, 2, 5))):
                # Mostly one of the columns that mean something.
                row[chance.choice((0, 3, 8, 9, 12, 13, 17, 22, 25, 28, 29, chance.randrange(len(row))))] = junk.text(
                    chance
                )
            if chance.random() < 0.05:
                row = row[: chance.randrange(len(row))] or [""]
            rows.append([junk.texts(cell) for cell in row])
        chance.shuffle(rows)
        text = written(rows)
        path = registry.folder / "A.csv"
        path.write_text(text, encoding="utf-8", newline="")
        options: dict[str, Any] = {}
        if case % 2:
            mapping = registry.folder / "mapping.yaml"
            mapping.write_text(yaml.safe_dump(MAPPING))
            options["mapping_path"] = mapping
        report = registry.load(path, **options)
        assert not isinstance(report, str), report
        (counts,) = (file.counts for file in report.files)
        assert counts.read == sum(1 for row in csv.reader(io.StringIO(text, newline="")) if row) - 1
        assert (
            registry.one(
                "select count(*) from raw.registry_entities where registration_number ~ '^good[0-9]+$' and is_live"
            )
            == good
        )
        if case % 5 == 0:
            again = registry.load(path, again=True, **options)
            assert not isinstance(again, str)
            assert [(file.counts.inserted, file.counts.updated) for file in again.files] == [(0, 0)]
        return Counter(rejected=counts.rejected, loaded=counts.read - counts.rejected)

    runner.run("rows of registries", one, small=250, at_once=bad + good, most_seconds=60)


def test_any_file_of_a_registry_is_refused_or_loaded_whole(registry: Registry) -> None:
    def one(chance: random.Random, case: int) -> str:
        for old in registry.folder.iterdir():
            old.unlink()
        data = junk.damaged(chance, written(companies(8)).encode())
        name = chance.choice(("A.csv", "A.csv", "A.csv", "A.csv.gz"))
        path = registry.folder / name
        path.write_bytes(junk._packed(chance, data)[: chance.choice((None, None, 50))] if name.endswith("gz") else data)
        options: dict[str, Any] = {}
        if chance.random() < 0.3:
            options["encoding"] = chance.choice(("utf-8", "latin-1", "utf-16", "rot13", "", "undefined", "cp1252"))
        if chance.random() < 0.3:
            mapping = registry.folder / "mapping.yaml"
            content = junk.texts(junk.changed(chance, MAPPING) if chance.random() < 0.7 else MAPPING)
            mapping.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
            options["mapping_path"] = mapping
        given = () if "mapping_path" in options and chance.random() < 0.3 else (path,)
        parsed = registry.parse(*given, **options)
        if case % LOADED == 0:
            registry.forget()
            report = registry.load(*given, **options)
            assert isinstance(report, str) or not isinstance(parsed, str), (report, parsed)
        return "sentence" if isinstance(parsed, str) else "rejects" if parsed[1] else "clean"

    runner.run("files of registries", one, small=20, most_seconds=30)


CODES = """code,level,title,section,definition
A,section,AGRICULTURE AND FISHING,A,
01,division,"AGRICULTURE AND RELATED SERVICE ACTIVITIES",A,
011,group,GROWING OF FOOD CROPS,A,"grows, and sells"
0111,class,GROWING OF LEAFY VEGETABLES,A,
01111,subclass,Growing of leafy and fruit vegetables,A,x
01112,subclass,Growing of mushrooms,A,"multi
line"
62011,subclass,Development of software and applications,J,
"""
TABLE = "SSIC 2020,SSIC 2025\n01111,01111\n01112,01112\n62011,01111\n"


def test_any_list_of_industry_codes_is_refused_or_loaded(registry: Registry) -> None:
    def one(chance: random.Random, case: int) -> str:
        if case % 50 == 0:
            registry.begin()
            good = registry.folder / "good.csv"
            good.write_text(CODES)
            for version in ("2020", "2025"):
                load_industry_codes(registry.warehouse, good, version=version)
        path = registry.folder / chance.choice(("codes.csv", "codes.csv", "codes.csv.gz"))
        data = junk.damaged(chance, (CODES if chance.random() < 0.7 else TABLE).encode())
        path.write_bytes(data)
        encoding = chance.choice(("utf-8",) * 4 + ("latin-1", "utf-16", "rot13", "", "undefined"))
        is_table = b"2020" in data[:200]
        if case % LOADED:
            try:
                if is_table:
                    read_code_table(path, from_version="2020", to_version="2025", encoding=encoding)
                    return "clean"
                return "rejects" if read_code_list(path, encoding=encoding).bad.height else "clean"
            except IngestError as refusal:
                assert_sentence(refusal)
                return "sentence"
        before = registry.one("select count(*) from raw.industry_codes where version <> '2015'")
        try:
            if is_table:
                report = load_code_table(
                    registry.warehouse, path, from_version="2020", to_version="2025", encoding=encoding
                )
            else:
                report = load_industry_codes(registry.warehouse, path, version="2015", encoding=encoding)
        except IngestError as refusal:
            assert_sentence(refusal)
            return "sentence"
        finally:
            assert registry.one("select count(*) from raw.loads where status = 'running'") == 0
            assert registry.one("select count(*) from raw.industry_codes where version <> '2015'") == before
        assert min(report.read, report.inserted, report.updated, report.removed, report.rejected) >= 0
        if report.version == "2015":
            assert report.inserted + report.updated + report.rejected <= report.read or report.status == "unchanged"
            stored = registry.one("select count(*) from raw.industry_codes where version = '2015'")
            assert stored == sum(report.levels.values()) > 0
        return "rejects" if report.rejected else "clean"

    runner.run("lists of industry codes", one, small=20, most_seconds=30)
