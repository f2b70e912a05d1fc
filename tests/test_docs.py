"""What the documentation promises is there."""

from __future__ import annotations

import json
import re

from models_py.patterns import WhoPattern, json_schema
from tests.loop import MARTS
from warehouse.settings import PROJECT_ROOT

DOCS = [PROJECT_ROOT / "README.md", *sorted((PROJECT_ROOT / "docs").glob("*.md"))]


def test_the_published_schema_is_that_of_the_code() -> None:
    published = json.loads((PROJECT_ROOT / "docs" / "schemas" / "who.schema.json").read_text())
    assert published == json_schema(WhoPattern)


def test_links_within_the_project_lead_somewhere() -> None:
    for page in DOCS:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), (page.name, target)


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
