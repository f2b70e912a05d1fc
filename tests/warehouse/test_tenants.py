"""Tenants and their settings."""

from __future__ import annotations

import psycopg
import pytest

from warehouse import tenants
from warehouse.errors import UnknownTenant, WarehouseError


def versions(connection: psycopg.Connection, tenant_id: int) -> list[tuple[object, ...]]:
    return connection.execute(
        "select version from intermediate.tenant_versions where relation = 'raw.tenants' and tenant_id = %s",
        (tenant_id,),
    ).fetchall()


def test_adding_the_same_tenant_twice_changes_nothing(connection: psycopg.Connection) -> None:
    first = tenants.add_tenant(connection, slug="acme", timezone="Asia/Singapore")
    before = versions(connection, first.tenant_id)
    second = tenants.add_tenant(connection, slug="acme", timezone="Asia/Singapore")
    assert second == first
    assert versions(connection, first.tenant_id) == before


def test_a_changed_setting_keeps_the_others_and_makes_the_tenant_due(connection: psycopg.Connection) -> None:
    first = tenants.add_tenant(connection, slug="beta", settings={"maturity_days": 60}, external_id="7f")
    before = versions(connection, first.tenant_id)
    second = tenants.add_tenant(connection, slug="beta", settings={"pooling": False})
    assert second.settings["maturity_days"] == 60
    assert second.settings["pooling"] is False
    assert second.external_id == "7f"
    assert versions(connection, first.tenant_id) != before


def test_a_tenant_is_found_by_slug_and_by_external_id(connection: psycopg.Connection) -> None:
    added = tenants.add_tenant(connection, slug="gamma", external_id="0190-uuid")
    assert tenants.get(connection, "gamma") == tenants.get(connection, "0190-uuid") == added


def test_an_unknown_tenant_is_answered_with_the_known_ones(connection: psycopg.Connection) -> None:
    tenants.add_tenant(connection, slug="delta")
    with pytest.raises(UnknownTenant, match=r"delta.*icp tenant add nobody"):
        tenants.get(connection, "nobody")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"slug": "Acme Inc."}, "small letters"),
        ({"slug": "x'; drop table raw.tenants; --"}, "small letters"),
        ({"slug": "ok", "timezone": "Mars/Olympus"}, "not a time zone"),
        ({"slug": "ok", "settings": {"maturity_days": -1}}, "maturity_days"),
        ({"slug": "ok", "settings": {"colour": "red"}}, "colour"),
        ({"slug": "ok", "settings": {"tiers": {"hot": 10}}}, "descend"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    connection: psycopg.Connection, arguments: dict[str, object], complaint: str
) -> None:
    with pytest.raises(WarehouseError, match=complaint):
        tenants.add_tenant(connection, **arguments)  # type: ignore[arg-type]


def test_an_external_id_belongs_to_one_tenant(connection: psycopg.Connection) -> None:
    tenants.add_tenant(connection, slug="one", external_id="same")
    with pytest.raises(WarehouseError, match="same"):
        tenants.add_tenant(connection, slug="two", external_id="same")
