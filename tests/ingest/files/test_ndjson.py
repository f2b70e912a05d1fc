"""NDJSON files: every line accounted for, by its number."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import IngestError
from ingest.files import ndjson
from ingest.files.opening import open_source
from ingest.files.source import ROW, Broken, batches


def read(path: Path, *wanted: str, encoding: str = "utf-8") -> tuple[list[dict[str, Any]], list[Broken]]:
    """Good lines as dictionaries with their number, and broken ones."""
    with open_source(path, encoding=encoding, delimiter=",", wanted=wanted) as file:
        rows: list[dict[str, Any]] = []
        broken: list[Broken] = []
        for batch in batches(file):
            assert batch.frame.columns == [ROW, *file.header]
            rows.extend(batch.frame.to_dicts())
            broken.extend(batch.broken)
        assert len(rows) + len(broken) == file.rows
    return rows, broken


def write(folder: Path, content: str | bytes, name: str = "leads.ndjson") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_values_are_text_and_what_is_nested_is_json(tmp_path: Path) -> None:
    record = {"id": 12345678901234567890123, "t": 'é\n"x"', "b": True, "f": 0.1, "n": None, "o": {"a": [1, {"b": ""}]}}
    rows, broken = read(write(tmp_path, json.dumps(record)))
    assert not broken
    row = rows[0]
    assert json.loads(row.pop("o")) == record["o"]
    assert row == {ROW: 1, "id": "12345678901234567890123", "t": 'é\n"x"', "b": "true", "f": "0.1", "n": None}


def test_lines_that_are_no_objects_are_told_apart_with_their_number(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        b'{"id": 1}\n\n{"id": 2\n[3]\r\n"four"\n{"id": 5}\r\n{"id": NaN}\n\xff{"id": 7}\n   \n{"id": 1e400}\n'
        + b'{"id": ' + b"[" * 5_000 + b"]" * 5_000 + b"}\n" + b'{"id": 9}',
    )  # fmt: skip
    rows, broken = read(path)
    assert [(row[ROW], row["id"]) for row in rows] == [(1, "1"), (6, "5"), (12, "9")]
    assert [record.row for record in broken] == [3, 4, 5, 7, 8, 10, 11]
    assert broken[0].cells == ['{"id": 2']
    for record, words in zip(broken, ("is not JSON", "no JSON object", "no JSON", "NaN is no", "UTF-8"), strict=False):
        assert words in record.reason
    assert "cannot be used" in broken[5].reason


def test_a_key_may_be_absent_and_may_come_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ndjson, "_LINES_FOR_HEADER", 2)
    path = write(tmp_path, '{"a": 1}\n{"b": 2}\n{"c": 3, "d": 4}\n{"\\u00e9": 5}\n')
    assert [tuple(row.values()) for row in read(path, "c", "é")[0]] == [
        (1, "1", None, None, None),
        (2, None, "2", None, None),
        (3, None, None, "3", None),
        (4, None, None, None, "5"),
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("id,name\n1,x\n", r"leads\.ndjson is not NDJSON: the first line is not JSON"),
        ('[\n  {\n  "id": 1\n  }\n]\n', r"one object a line \(jq -c"),
        ('[{"id": 1}]', "is no JSON object: write one object a line"),
        ("", "is empty"),
    ],
)
def test_a_file_without_any_object_is_refused_in_one_sentence(tmp_path: Path, content: str, sentence: str) -> None:
    with pytest.raises(IngestError, match=sentence) as refusal:
        read(write(tmp_path, content))
    assert "\n" not in str(refusal.value)


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ndjson, "_BLOCK", 100)
    monkeypatch.setattr(ndjson, "LONGEST_RECORD", 1_000)
    with pytest.raises(IngestError, match="line 2 is longer than"):
        read(write(tmp_path, '{"a": 1}\n{"a": "' + "x" * 5_000 + '"}\n'))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_other_encodings_are_read_when_they_are_said(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path, '{"a": "é"}\n'.encode(encoding))
    assert read(path, encoding="utf-8" if encoding == "utf-8-sig" else encoding)[0] == [{ROW: 1, "a": "é"}]


def as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


plain = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), max_size=8)
)
keys = st.sampled_from(["a", "b", "ü", 'q"', "", "a b"])
bad = st.sampled_from(["", " ", "{", "[1]", "null", "{'a': 1}", '{"a": 1}}', '{"a": 1} {"a": 2}'])


@settings(max_examples=150)
@given(
    lines=st.lists(st.dictionaries(keys, plain, max_size=4) | bad, min_size=1, max_size=12), block=st.integers(1, 200)
)
def test_every_line_is_read_back_or_broken(
    tmp_path_factory: pytest.TempPathFactory, lines: list[Any], block: int
) -> None:
    texts = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=bool(block % 2)) for line in lines]
    path = write(tmp_path_factory.mktemp("any"), "\n".join(['{"a": "first"}', *texts]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ndjson, "_BLOCK", block)
        rows, broken = read(path, *(key for line in lines if isinstance(line, dict) for key in line))
    objects = {number: line for number, line in enumerate(lines, start=2) if isinstance(line, dict)}
    assert {row.pop(ROW): {key: text for key, text in row.items() if text is not None} for row in rows[1:]} == {
        number: {key: as_text(value) for key, value in line.items() if value is not None}
        for number, line in objects.items()
    }
    assert [record.row for record in broken] == [
        number for number, line in enumerate(lines, start=2) if isinstance(line, str) and line.strip()
    ]


@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_keeps_its_value(tmp_path_factory: pytest.TempPathFactory, number: float) -> None:
    rows, _ = read(write(tmp_path_factory.mktemp("any"), json.dumps({"a": number})))
    assert math.isclose(float(rows[0]["a"]), number, rel_tol=1e-15, abs_tol=5e-324)
