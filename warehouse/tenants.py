"""Tenants: who is learned for, with the settings that the models and the scorer read."""

from __future__ import annotations

import functools
import zoneinfo
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from warehouse.errors import UnknownTenant, WarehouseError


class Tiers(BaseModel):
    """Lowest score of each tier; below ``cold`` a lead is dead."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    hot: float = Field(default=85, ge=0, le=100)
    warm: float = Field(default=60, ge=0, le=100)
    cool: float = Field(default=35, ge=0, le=100)
    cold: float = Field(default=20, ge=0, le=100)

    @model_validator(mode="after")
    def _descend(self) -> Tiers:
        if not self.hot > self.warm > self.cool > self.cold:
            raise ValueError("the thresholds must descend: hot > warm > cool > cold")
        return self


class TenantSettings(BaseModel):
    """What may differ from tenant to tenant. Stored whole, so that a new default changes nobody's numbers.

    Attributes:
        maturity_days: a lead older than this without a booking counts as failed.
        pooling: take part in (and profit from) the pooled reference weights, made of aggregates only.
        risk_credit: points that a lead without risk gets, so that a perfect lead scores 100; 0 gives the
            specification's literal formula.
        tiers: score thresholds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    maturity_days: int = Field(default=90, ge=1, le=730)
    pooling: bool = True
    risk_credit: float = Field(default=15, ge=0, le=15)
    tiers: Tiers = Tiers()


@dataclass(frozen=True)
class Tenant:
    """One row of ``raw.tenants``."""

    tenant_id: int
    external_id: str
    slug: str
    name: str
    timezone: str
    settings: dict[str, Any]
    simulated: bool


_COLUMNS = "tenant_id, external_id, slug, name, timezone, settings, simulated"


@functools.cache
def _time_zones() -> frozenset[str]:
    # The system's own names for "here" and "nowhere" are known to no other library and no other machine.
    return frozenset(zoneinfo.available_timezones() - {"localtime", "Factory"})


def is_time_zone(name: str) -> bool:
    """Whether a name is that of a place's time zone."""
    return name in _time_zones()


def add_tenant(
    connection: psycopg.Connection,
    *,
    slug: str,
    name: str | None = None,
    external_id: str | None = None,
    timezone: str = "UTC",
    settings: dict[str, Any] | None = None,
    simulated: bool = False,
) -> Tenant:
    """Add a tenant, or change the one that has this slug. Adding the same one twice changes nothing.

    Args:
        external_id: the application's own id; default: the slug.
        settings: the ones that differ from :class:`TenantSettings`; of an existing tenant, the ones to change.

    Raises:
        WarehouseError: unknown time zone, a slug with other characters than a-z, 0-9, - and _, a setting
            that does not exist or is out of range, or an external id that another tenant has.
    """
    if not is_time_zone(timezone):
        raise WarehouseError(f"{timezone!r} is not a time zone; use a name such as 'Asia/Singapore' or 'UTC'.")
    before = find(connection, slug, missing_ok=True)
    known = (before.settings if before else {}) | (settings or {})
    try:
        validated = TenantSettings.model_validate(known)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "settings"
        raise WarehouseError(f"Tenant setting {where}: {first['msg']}.") from error
    try:
        with connection.transaction(), connection.cursor(row_factory=class_row(Tenant)) as cursor:
            after = cursor.execute(
                f"insert into raw.tenants as t (external_id, slug, name, timezone, settings, simulated)"
                f" values (%(external_id)s, %(slug)s, %(name)s, %(timezone)s, %(settings)s, %(simulated)s)"
                f" on conflict (slug) do update set name = excluded.name, timezone = excluded.timezone,"
                f" settings = excluded.settings, external_id = excluded.external_id returning {_COLUMNS}",
                {
                    "external_id": external_id or (before.external_id if before else slug),
                    "slug": slug,
                    "name": name or (before.name if before else slug),
                    "timezone": timezone,
                    "settings": Jsonb(validated.model_dump(mode="json")),
                    "simulated": before.simulated if before else simulated,
                },
            ).fetchone()
            assert after is not None
            if after != before:
                connection.execute("select intermediate.touch('raw.tenants', %s)", ([after.tenant_id],))
    except psycopg.errors.CheckViolation as error:
        raise WarehouseError(
            f"{slug!r} cannot be a slug: use small letters, digits, '-' and '_', at most 63, starting with a "
            "letter or digit."
        ) from error
    except psycopg.errors.UniqueViolation as error:
        raise WarehouseError(f"Another tenant has the external id {external_id!r}.") from error
    return after


def list_tenants(connection: psycopg.Connection) -> list[Tenant]:
    """All tenants, by id."""
    with connection.cursor(row_factory=class_row(Tenant)) as cursor:
        return cursor.execute(f"select {_COLUMNS} from raw.tenants order by tenant_id").fetchall()


def find(connection: psycopg.Connection, slug_or_external_id: str, *, missing_ok: bool = False) -> Tenant | None:
    """The tenant of a slug or, failing that, of an external id.

    Raises:
        UnknownTenant: there is none, and not ``missing_ok``.
    """
    with connection.cursor(row_factory=class_row(Tenant)) as cursor:
        found = cursor.execute(
            f"select {_COLUMNS} from raw.tenants where slug = %(key)s or external_id = %(key)s"
            " order by slug = %(key)s desc limit 1",
            {"key": slug_or_external_id},
        ).fetchone()
    if found is None and not missing_ok:
        known = [tenant.slug for tenant in list_tenants(connection)]
        listed = ", ".join(known[:8]) + (" …" if len(known) > 8 else "") if known else "none yet"
        raise UnknownTenant(
            f"There is no tenant {slug_or_external_id!r} (known: {listed}). "
            f"Add it with: icp tenant add {slug_or_external_id}"
        )
    return found


def get(connection: psycopg.Connection, slug_or_external_id: str) -> Tenant:
    """As :func:`find`, for callers who need one."""
    found = find(connection, slug_or_external_id)
    assert found is not None
    return found
