"""Versions of weights: one champion, history, rollback and its hold, all or nothing."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import psycopg
import pytest

from warehouse import patterns, tenants
from warehouse.errors import VersionError
from warehouse.publication import WeightDecision, live_weights, publish_weights, release, rollback, weight_history
from warehouse.tenants import Tenant

DEFAULTS = (0.2, 0.25, 0.25, 0.15)
FIRST = (0.3, 0.2, 0.2, 0.15)
SECOND = (0.1, 0.3, 0.3, 0.15)
AS_OF = dt.date(2026, 6, 30)


@pytest.fixture
def tenant(connection: psycopg.Connection, request: pytest.FixtureRequest) -> Tenant:
    slug = request.node.name.removeprefix("test_")[:60].rstrip("_")
    return tenants.add_tenant(connection, slug=slug)


def decision(tenant: Tenant, action: str, live: Any, source: str = "learned", **more: Any) -> WeightDecision:
    values: dict[str, Any] = {
        "tenant_id": tenant.tenant_id,
        "action": action,
        "live": live,
        "live_source": source,
        "proposal": None,
        "reason": f"because of {action}",
        "leads": 400,
        "bookings": 40,
        "means": (10.0, None, 5.5, 3.0),
        "probability_better": 0.9,
        "signal_p": 0.01,
    }
    return WeightDecision(**(values | more))


def publish(connection: psycopg.Connection, *decisions: WeightDecision) -> dict[str, int]:
    return publish_weights(connection, decisions, as_of=AS_OF, run_id="run-1")


def current(connection: psycopg.Connection, tenant: Tenant) -> tuple[Any, ...]:
    live = live_weights(connection)[tenant.tenant_id]
    return live.weights, live.source, live.version


def test_a_tenant_without_versions_has_the_defaults(connection: psycopg.Connection, tenant: Tenant) -> None:
    assert current(connection, tenant) == (DEFAULTS, "default", 0)


def test_publishing_retires_the_champion_and_the_proposal(connection: psycopg.Connection, tenant: Tenant) -> None:
    publish(connection, decision(tenant, "propose", DEFAULTS, "default", proposal=FIRST))
    assert current(connection, tenant) == (DEFAULTS, "default", 0)
    publish(connection, decision(tenant, "publish", FIRST))
    publish(connection, decision(tenant, "publish", SECOND))
    assert current(connection, tenant) == (SECOND, "learned", 3)
    assert [v.status for v in weight_history(connection, tenant)] == ["champion", "retired", "rejected"]


def test_a_withdrawal_ends_the_champion_for_the_defaults_or_the_pool(
    connection: psycopg.Connection, tenant: Tenant
) -> None:
    publish(connection, decision(tenant, "publish", FIRST))
    publish(connection, decision(tenant, "withdraw", SECOND, "pooled"))
    assert current(connection, tenant) == (SECOND, "pooled", 2)
    publish(connection, decision(tenant, "withdraw", DEFAULTS, "default"))
    assert current(connection, tenant) == (DEFAULTS, "default", 0)


def test_the_last_decision_and_the_means_are_served_with_the_weights(
    connection: psycopg.Connection, tenant: Tenant
) -> None:
    publish(connection, decision(tenant, "keep", DEFAULTS, "default", reason="Kept the default weights: 3 bookings."))
    row = connection.execute(
        "select reason, mean_data_quality, mean_authority from learned.current_weights where tenant_id = %s",
        (tenant.tenant_id,),
    ).fetchone()
    assert row == ("Kept the default weights: 3 bookings.", 10.0, None)


def test_one_bad_decision_publishes_nothing_of_the_others(connection: psycopg.Connection, tenant: Tenant) -> None:
    other = tenants.add_tenant(connection, slug="the-other-one")
    bad = decision(other, "publish", (0.8, 0.02, 0.02, 0.01))
    with pytest.raises(psycopg.errors.CheckViolation):
        publish(connection, decision(tenant, "publish", FIRST), bad)
    assert current(connection, tenant) == (DEFAULTS, "default", 0)


def test_a_rollback_is_held_until_it_is_released(connection: psycopg.Connection, tenant: Tenant) -> None:
    publish(connection, decision(tenant, "publish", FIRST))
    publish(connection, decision(tenant, "publish", SECOND))
    assert rollback(connection, tenant, reason="campaign was wrong", actor="ann") == 1
    assert current(connection, tenant) == (FIRST, "learned", 1)
    done = publish(connection, decision(tenant, "publish", SECOND))
    assert done["propose"] == 1
    assert current(connection, tenant) == (FIRST, "learned", 1)
    assert release(connection, tenant) is True
    publish(connection, decision(tenant, "publish", SECOND))
    assert current(connection, tenant)[0] == SECOND


def test_going_back_further_ends_at_the_defaults(connection: psycopg.Connection, tenant: Tenant) -> None:
    publish(connection, decision(tenant, "publish", FIRST))
    publish(connection, decision(tenant, "publish", SECOND))
    assert rollback(connection, tenant, reason="first") == 1
    assert rollback(connection, tenant, reason="second") == 0
    assert current(connection, tenant) == (DEFAULTS, "default", 0)
    with pytest.raises(VersionError, match="live already"):
        rollback(connection, tenant, reason="third")
    with pytest.raises(VersionError, match="cannot go back to version 99"):
        rollback(connection, tenant, to_version=99, reason="no such")


def test_a_rollback_changes_the_weights_that_the_who_pattern_recommends(
    connection: psycopg.Connection, tenant: Tenant
) -> None:
    publish(connection, decision(tenant, "publish", FIRST))
    pattern = {"type": "who", "recommended_weights": {"data_quality": 0.3}}
    change = patterns.PatternChange(tenant.tenant_id, "who", pattern, 400, 0.9)
    patterns.publish_patterns(connection, [change], computed_at=dt.datetime.now(dt.UTC), run_id="run-1")
    rollback(connection, tenant, to_version=0, reason="test")
    after = patterns.read_pattern(connection, tenant.tenant_id, "who")
    assert after is not None
    assert after["recommended_weights"]["data_quality"] == 0.2
    history = connection.execute(
        "select count(*) from learned.conversion_pattern_history where tenant_id = %s", (tenant.tenant_id,)
    ).fetchone()
    assert history == (2,)


def test_every_change_of_what_is_live_is_in_the_audit_log(connection: psycopg.Connection, tenant: Tenant) -> None:
    publish(connection, decision(tenant, "publish", FIRST))
    rollback(connection, tenant, reason="why not", actor="ann")
    release(connection, tenant, actor="bob")
    entries = connection.execute(
        "select actor, action from learned.audit_log where tenant_id = %s order by entry_id", (tenant.tenant_id,)
    ).fetchall()
    assert entries == [("run run-1", "weights publish"), ("ann", "weights rollback"), ("bob", "weights release")]


def test_rates_of_a_tenant_are_replaced_and_those_of_another_stay(
    connection: psycopg.Connection, tenant: Tenant
) -> None:
    other = tenants.add_tenant(connection, slug="rates-of-another")

    def row(of: Tenant, value: str) -> tuple[Any, ...]:
        numbers = (100, 10, 0.1, 0.11, 0.08, 0.15, 1.1, 0.7, 0.2)
        return (of.tenant_id, "title", value, False, *numbers, "no_evidence", 0.1, 30.0, AS_OF, "run-1")

    both = [tenant.tenant_id, other.tenant_id]
    patterns.publish_rates(connection, both, [row(tenant, "CEO"), row(other, "CEO")])
    patterns.publish_rates(connection, [tenant.tenant_id], [row(tenant, "CTO")])
    left = connection.execute(
        "select tenant_id, value from learned.rate_estimates where tenant_id = any(%s) order by 1", (both,)
    ).fetchall()
    assert left == [(tenant.tenant_id, "CTO"), (other.tenant_id, "CEO")]


def test_no_weights_outside_the_contract_can_be_stored(connection: psycopg.Connection, tenant: Tenant) -> None:
    sums_to_more = dataclasses.replace(decision(tenant, "publish", (0.3, 0.3, 0.3, 0.3)))
    with pytest.raises(psycopg.errors.CheckViolation):
        publish(connection, sums_to_more)
