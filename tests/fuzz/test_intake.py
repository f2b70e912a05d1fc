"""Any intake: refused with what is wrong, or a whole version; never half a response."""

from __future__ import annotations

import datetime as dt
import json
import random
from typing import Any

import psycopg
import pytest

from ingest.intake import Answers, IntakeError, process_inbox, understand
from ingest.intake.evidence import evidence_of
from ingest.intake.payload import answers_hash
from ingest.intake.reading import read_json
from tests.fuzz import junk, runner
from tests.ingest.intake.payloads import _FULL, FLAT, NESTED
from warehouse import tenants

NOW = dt.datetime(2026, 6, 30, 8, tzinfo=dt.UTC)
GOOD = (FLAT, NESTED, _FULL, {"website": "acme.com", "best_customers": "Beta — beta.com; Gamma (gamma.sg)"})
TABLES = ("icp_intake_responses", "customer_seeds", "icp_evidence", "icp_flow")


def payload_file(chance: random.Random) -> bytes:
    """A file that is to be an intake."""
    kind = chance.random()
    if kind < 0.25:
        return junk.damaged(chance, json.dumps(chance.choice(GOOD), ensure_ascii=False).encode())
    payload = junk.changed(chance, chance.choice(GOOD)) if kind < 0.9 else junk.value(chance, 5)
    return json.dumps(payload, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")


def assert_refusal(error: IntakeError) -> None:
    assert error.problems and all(problem.strip() for problem in error.problems)
    assert len(str(error)) < 30_000 and "\x00" not in str(error)
    str(error).encode()


def test_any_payload_is_understood_or_refused() -> None:
    def one(chance: random.Random, case: int) -> str:
        content = payload_file(chance)
        try:
            understood = understand(read_json(content))
        except IntakeError as refusal:
            assert_refusal(refusal)
            return "sentences"
        # What was understood can be stored, and read again is the same.
        stored = json.dumps(understood.answers.model_dump(mode="json"), allow_nan=False, ensure_ascii=False)
        assert "\x00" not in stored and len(stored.encode()) < 4_000_000
        again = Answers.model_validate(json.loads(stored))
        assert again == understood.answers and answers_hash(again) == answers_hash(understood.answers)
        evidence_of(again)
        return "clean"

    runner.run("intake payloads", one, small=100, most_seconds=10)


@pytest.fixture
def tenant(connection: psycopg.Connection) -> tenants.Tenant:
    return tenants.add_tenant(connection, slug="acme")


def test_any_payload_in_the_inbox_is_a_whole_version_or_a_refusal(
    connection: psycopg.Connection, tenant: tenants.Tenant
) -> None:
    def count(table: str) -> int:
        row = connection.execute(
            f"select count(*) from raw.{table} where tenant_id = %s".encode(), (tenant.tenant_id,)
        ).fetchone()
        assert row is not None
        return int(row[0])

    def hand_in(chance: random.Random) -> int:
        """Put one into the inbox as jsonb takes it; returns its number."""
        while True:
            payload: Any = junk.changed(chance, chance.choice(GOOD)) if chance.random() < 0.9 else junk.value(chance)
            try:
                row = connection.execute(
                    "insert into raw.icp_intake_inbox (tenant_id, payload, submitted_by) values (%s, %s::jsonb, %s)"
                    " returning inbox_id",
                    (tenant.tenant_id, json.dumps(payload), junk.text(chance).replace("\x00", "")[:50] or "app"),
                ).fetchone()
            except (psycopg.DataError, UnicodeEncodeError):
                continue  # Postgres itself refuses it: a NUL, half a pair, a number
            assert row is not None
            return int(row[0])

    def one(chance: random.Random, case: int) -> str:
        if case % 50 == 0:
            connection.execute(
                f"truncate {', '.join(f'raw.{table}' for table in TABLES)}, raw.icp_intake_inbox cascade"
            )
        before = {table: count(table) for table in TABLES}
        number = hand_in(chance)
        (outcome,) = process_inbox(connection, NOW)
        assert outcome.inbox_id == number
        mark = connection.execute(
            "select processed_at, response_id, refused_because from raw.icp_intake_inbox where inbox_id = %s", (number,)
        ).fetchone()
        assert mark is not None and mark[0] == NOW and (mark[1] is None) != (mark[2] is None)
        after = {table: count(table) for table in TABLES}
        if outcome.report is None:
            assert after == before, "a refused intake left rows"
            assert len(str(mark[2])) > 10
            return "sentences"
        new = outcome.report.status == "stored"
        assert after["icp_intake_responses"] == before["icp_intake_responses"] + new
        seeds = connection.execute(
            "select count(*) filter (where kind = 'best'), count(*) filter (where kind = 'lost')"
            " from raw.customer_seeds where tenant_id = %s and is_active",
            (tenant.tenant_id,),
        ).fetchone()
        assert seeds == (outcome.report.best, outcome.report.lost)
        assert after["icp_flow"] == 1
        assert not new or after["icp_evidence"] == outcome.report.evidence_items
        return outcome.report.status

    runner.run("intakes of applications", one, small=20, most_seconds=10)
