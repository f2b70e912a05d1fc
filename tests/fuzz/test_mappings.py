"""Any file as a mapping: a mapping, or one sentence."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import yaml

from ingest.errors import IngestError
from ingest.outcomes.mapping import read_mapping
from ingest.registry.mapping import read_registry_mapping
from tests.fuzz import junk, runner
from tests.fuzz.sentences import assert_sentence
from warehouse.settings import PROJECT_ROOT

GOOD = [path.read_bytes() for path in sorted((PROJECT_ROOT / "examples").glob("**/*.yaml"))]


def bomb(chance: random.Random) -> bytes:
    """Aliases of aliases, nesting without end, keys twice, things that are no text."""
    n = chance.choice((3, 30, 1_000, 20_000))
    return chance.choice(
        (
            b"a: &a [x,x,x,x,x,x,x,x,x]\n"
            + b"".join(b"%c: &%c [%s]\n" % (98 + i, 98 + i, b",".join([b"*%c" % (97 + i)] * 9)) for i in range(9))
            + b"name: *i\ntenant: *i\nleads: {files: *i, columns: *i}\n",
            b"name: &a [*a]\ntenant: *a\n",
            b"leads: &a {files: x, columns: *a}\nname: c\ntenant: t\n",
            b"a: " + b"[" * n,
            b"a: " + b"[" * n + b"]" * n,
            b"a: " + b"{a: " * n + b"}" * n,
            b"- " * n,
            b"\n".join(b" " * i + b"a:" for i in range(min(n, 3_000))),
            b"? " * n,
            b"a: |\n" + b" x\n" * n,
            b"".join(b"k%d: v\n" % i for i in range(n)),
            b"name: a\nname: b\ntenant: t\nleads: {files: x, columns: {lead_id: a, lead_id: b}}\n",
            b"? [a, b]\n: c\n",
            b"? {a: b}\n: c\n",
            b"<<: {a: b}\nname: x\n",
            b"!!python/object/apply:os.system [id]\n",
            b"!!binary x: !!set {a, b}\n",
            b"--- a\n--- b\n",
            b"%YAML 3.0\n---\na: b\n",
            b"name: " + b"x" * (n * 50),
            b"\x00" * n,
            b'name: "\\u0000"\ntenant: "\\ud800"\nleads: {files: "\\u0000", columns: {lead_id: id}}\n',
        )
    )


def mapping_file(chance: random.Random) -> bytes:
    """One file to be read as a mapping."""
    kind = chance.random()
    good = chance.choice(GOOD)
    if kind < 0.15:
        return bomb(chance)
    if kind < 0.55:
        return junk.damaged(chance, good)
    content: Any = yaml.load(good, Loader=yaml.BaseLoader)  # noqa: S506 (ours)
    return yaml.safe_dump(junk.changed(chance, content), allow_unicode=chance.random() < 0.5).encode("utf-8", "replace")


def test_any_file_is_a_mapping_or_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "mapping.yaml"

    def one(chance: random.Random, case: int) -> str:
        path.write_bytes(mapping_file(chance))
        ends = []
        for read in (read_mapping, read_registry_mapping):
            try:
                mapping = read(path)
            except IngestError as refusal:
                assert_sentence(refusal, str(path))
                ends.append("sentence")
            else:
                mapping.model_dump_json()  # what is told apart by, and stored
                ends.append("mapping")
        return "mapping" if "mapping" in ends else "sentence"

    runner.run("mappings", one, small=50, most_seconds=10)
