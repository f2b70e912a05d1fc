"""Mappings: what they can say, and how a wrong one is answered."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import IngestError
from ingest.outcomes.mapping import read_mapping
from ingest.registry.mapping import read_registry_mapping

LEADS = {"files": "leads.csv", "columns": {"lead_id": "id"}}


def write(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "mapping.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return path


def test_the_shorthand_is_a_column(tmp_path: Path) -> None:
    mapping = read_mapping(write(tmp_path, {"name": "crm", "tenant": "acme", "leads": LEADS}))
    assert mapping.leads is not None
    assert mapping.leads.columns["lead_id"].column == "id"
    assert mapping.leads.files == ("leads.csv",)


def test_a_value_is_the_text_that_stands_there(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "name: crm\ntenant: 007\nleads:\n  files: l.csv\n  columns:\n    lead_id: id\n"
        "    is_hiring: {column: h, values: {yes: true, 1: no, true: false}}\n    country: {value: NO}\n",
    )
    mapping = read_mapping(path)
    assert mapping.tenant == "007"
    assert mapping.leads is not None
    assert mapping.leads.columns["is_hiring"].values == {"yes": "true", "1": "no", "true": "false"}
    assert mapping.leads.columns["country"].value == "NO"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is empty"),
        ("a: [", "is not YAML"),
        ("- 1", "not a list of 'name: value'"),
        ({"name": "crm", "tenant": "acme"}, "maps nothing"),
        ({"tenant": "acme", "leads": LEADS}, "name: Field required"),
        ({"name": "crm", "tenant": "acme", "leeds": LEADS}, "leeds: there is no such setting"),
        (
            {"name": "crm", "tenant": "acme", "leads": {"files": "l.csv", "columns": {"lead": "id"}}},
            "unknown field 'lead'; did you mean 'lead_id'",
        ),
        (
            {"name": "crm", "tenant": "acme", "leads": {"files": "l.csv", "columns": {"title": "t"}}},
            "'lead_id' is missing",
        ),
        (
            {"name": "crm", "tenant": "acme", "leads": {**LEADS, "columns": {"lead_id": "id", "status": "s"}}},
            "status needs status_at",
        ),
        (
            {"name": "crm", "tenant": "acme", "leads": {**LEADS, "columns": {"lead_id": "id", "components": "c"}}},
            "components needs scored_at",
        ),
        ({"name": "crm", "tenant": {"column": "client"}, "leads": LEADS}, "timezone is needed"),
        ({"name": "crm", "tenant": "acme", "timezone": "CET/Paris", "leads": LEADS}, "not a time zone"),
        ({"name": "crm", "tenant": "acme", "delimiter": ";;", "leads": LEADS}, "one character"),
        (
            {"name": "c", "tenant": "a", "leads": {**LEADS, "columns": {"lead_id": {"column": "i", "value": "x"}}}},
            "either a column or a constant",
        ),
    ],
)
def test_a_wrong_mapping_is_answered_in_one_sentence(tmp_path: Path, content: object, sentence: str) -> None:
    with pytest.raises(IngestError, match=sentence) as refusal:
        read_mapping(write(tmp_path, content))
    assert "\n" not in str(refusal.value)


any_yaml = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@given(
    content=st.dictionaries(
        st.sampled_from(["name", "tenant", "timezone", "leads", "activities", "delimiter", "null_values"]), any_yaml
    )
)
def test_any_yaml_is_a_mapping_or_a_refusal(tmp_path_factory: pytest.TempPathFactory, content: object) -> None:
    path = write(tmp_path_factory.mktemp("any"), content)
    try:
        read_mapping(path)
    except IngestError as refusal:
        assert str(path) in str(refusal)


LEADS_LINES = "name: crm\ntenant: acme\nleads:\n  files: l.csv\n  columns:\n    lead_id: id\n"
TENFOLD = "".join(f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n" for before, name in pairwise("abcdefgh"))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("a: " + "[" * 100_000, "nested deeper than 20 levels"),
        ("a: " + "{a: " * 30 + "}" * 30, "nested deeper than 20 levels"),
        ("- " * 50_000, "nested deeper"),
        (LEADS_LINES + "    lead_id: other\n", "'lead_id' is there twice"),
        (LEADS_LINES + "tenant: other\n", "'tenant' is there twice"),
        ("a: &a [x]\n" + TENFOLD, "more than 200,000 values"),
        ("name: &a [*a]\n", "alias stands within what it stands for"),
        (LEADS_LINES.replace("crm", '"c\\0m"'), "a character that no database takes"),
        (LEADS_LINES.replace("crm", '"\\ud800"'), "a character that no database takes"),
        ("name: x\x00\n", "is not YAML"),
        ("x" * 2_000_000, "larger than 1,000,000 bytes"),
        (LEADS_LINES + "timezone: Factory\n", "not a time zone"),
        (LEADS_LINES + "encoding: undefined\n", "no such encoding"),
        (LEADS_LINES + "encoding: rot13\n", "no such encoding"),
        (LEADS_LINES + "delimiter: '\"'\n", "one character other than a quote"),
        (LEADS_LINES + 'delimiter: "\\n"\n', "one character other than a quote"),
    ],
)
def test_a_hostile_mapping_is_answered_in_one_sentence_and_at_once(tmp_path: Path, content: str, sentence: str) -> None:
    path = write(tmp_path, content)
    for read in (read_mapping, read_registry_mapping):
        started = time.process_time()
        with pytest.raises(IngestError) as refusal:
            read(path)
        assert time.process_time() - started < 3
        said = str(refusal.value)
        assert "\n" not in said and said.isprintable() and len(said) < 1_500
        assert sentence in said or read is read_registry_mapping


def test_anchors_are_of_use(tmp_path: Path) -> None:
    """What several columns share may be written once."""
    lines = "    is_hiring: {column: h, values: &yes {ja: yes}}\n    is_new_role: {column: n, values: *yes}\n"
    mapping = read_mapping(write(tmp_path, LEADS_LINES + lines))
    assert mapping.leads is not None and mapping.leads.columns["is_new_role"].values == {"ja": "yes"}


def test_what_a_sentence_quotes_is_shown_safely() -> None:
    said = str(IngestError("a\x00b\x1b[31m\u202e\ud800 c\nd" + "x" * 10_000 + " the end"))
    assert said.startswith("a\\x00b\\x1b[31m\\u202e\\ud800 c d") and said.endswith("the end") and len(said) < 1_400
