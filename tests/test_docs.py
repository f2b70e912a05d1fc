"""What the documentation promises is there."""

from __future__ import annotations

import json
import re
from typing import Any

from ingest.crawl.settings import CrawlSettings
from ingest.enrichment.settings import VendorSettings
from ingest.models.settings import ModelSettings
from models_py.patterns import WhoPattern, json_schema
from tests.loop import MARTS
from warehouse.retention import days_from_environment
from warehouse.settings import PROJECT_ROOT, Settings

DOCS = [PROJECT_ROOT / "README.md", *sorted((PROJECT_ROOT / "docs").glob("*.md"))]


def test_the_published_schema_is_that_of_the_code() -> None:
    published = json.loads((PROJECT_ROOT / "docs" / "schemas" / "who.schema.json").read_text())
    assert published == json_schema(WhoPattern)


def test_links_within_the_project_lead_somewhere() -> None:
    for page in DOCS:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), (page.name, target)


def test_every_variable_that_is_read_is_in_the_table_of_settings_and_no_other() -> None:
    read: set[str] = set()

    class Asked(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            read.add(name)
            return default

    readers = (Settings, CrawlSettings, VendorSettings, ModelSettings)
    for reader in readers:
        reader.from_environment(Asked())
    days_from_environment(Asked())
    rooms = ("icp", "dagster_defs", "ingest", "models_py", "warehouse")
    sources = [path.read_text() for room in rooms for path in sorted((PROJECT_ROOT / room).rglob("*.py"))]
    assert sum(source.count("os.environ if environ is None") for source in sources) == len(readers) + 1
    for source in sources:
        constants = dict(re.findall(r'^(_?[A-Z_]+) = "([A-Z_]+)"$', source, re.MULTILINE))
        for name, constant in re.findall(r'environ\.(?:get|setdefault)\((?:"(\w+)"|(_?[A-Z_]+)\b)', source):
            read.add(name or constants[constant])
    read.update(re.findall(r"env_var\('(PG\w+)'", (PROJECT_ROOT / "dbt_project" / "profiles.yml").read_text()))
    deploy = (PROJECT_ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| (`[A-Z].*?`) \|", deploy, re.MULTILINE)
    listed = [name for cell in cells for name in re.findall(r"`([A-Z][A-Z0-9_]+)`", cell)]
    assert (read - set(listed), set(listed) - read) == (set(), set())
    assert len(listed) == len(set(listed))


def test_every_mart_is_in_the_readme() -> None:
    readme = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
    assert [mart for mart in MARTS if f"| `{mart}` |" not in readme] == []


def test_every_make_target_of_the_readme_exists() -> None:
    makefile = (PROJECT_ROOT / "Makefile").read_text()
    named = set(re.findall(r"`?make ([a-z-]+)`?(?= {2,}#|`)", (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")))
    assert {"demo", "test", "ui", "bench", "lint"} <= named
    assert [target for target in named if f"\n{target}:" not in makefile] == []


def test_constraints_pin_every_dependency_and_name_no_address() -> None:
    pins = (PROJECT_ROOT / "constraints.txt").read_text()
    lines = [line for line in pins.splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line) for line in lines)
    assert "://" not in pins
