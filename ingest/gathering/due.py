"""Which sites are due: a tenant's own, its customers', and the background sample's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import psycopg

from ingest.companies import ensure_companies
from ingest.enrichment.queue import RETRY_AFTER as BACKGROUND_RETRY_AFTER

Role = Literal["own", "best", "lost"]
RETRY_AFTER = dt.timedelta(days=1)  # a site that was down may be up tomorrow; one that blocks, too


@dataclass(frozen=True)
class DueSite:
    """One company whose site is to be read for a tenant.

    Attributes:
        domain: None: to be found first.
    """

    tenant_id: int
    company_id: int
    name: str
    domain: str | None
    role: Role


def ensure_own_companies(connection: psycopg.Connection, tenant_ids: Collection[int] | None) -> dict[int, int]:
    """The company that each tenant with an intake is itself, by tenant id."""
    rows = connection.execute(
        "select distinct on (tenant_id) tenant_id, tenants.name, intakes.answers ->> 'website'"
        " from raw.icp_intake_responses as intakes join raw.tenants as tenants using (tenant_id)"
        " where %(tenants)s::int[] is null or tenant_id = any(%(tenants)s) order by tenant_id, version desc",
        {"tenants": None if tenant_ids is None else list(tenant_ids)},
    ).fetchall()
    companies = ensure_companies(connection, [(name, website) for _, name, website in rows])
    return {row[0]: company for row, company in zip(rows, companies, strict=True)}


def due_sites(
    connection: psycopg.Connection, *, tenant_ids: Collection[int] | None, now: dt.datetime, cache_days: float
) -> list[DueSite]:
    """Sites that were never read for the tenant, have another domain by now, or were read too long ago.

    Args:
        tenant_ids: None: all tenants.
        cache_days: after so many days a site is read again; one that failed, after a day.
    """
    own = ensure_own_companies(connection, tenant_ids)
    rows = connection.execute(
        "with wanted as ("
        " select tenant_id, company_id, 'own' as role, 0 as rank"
        " from unnest(%(own_tenants)s::int[], %(own_companies)s::bigint[]) as own (tenant_id, company_id)"
        " union all select tenant_id, company_id, kind, case kind when 'best' then 1 else 2 end"
        " from raw.customer_seeds where is_active and (%(tenants)s::int[] is null or tenant_id = any(%(tenants)s))"
        "), once as (select distinct on (tenant_id, company_id) * from wanted order by tenant_id, company_id, rank)"
        " select once.tenant_id, once.company_id, companies.name, companies.website_domain, once.role"
        " from once join raw.companies as companies using (company_id)"
        " left join raw.crawl_runs as runs using (tenant_id, company_id)"
        " where runs.company_id is null or runs.domain is distinct from companies.website_domain"
        " or runs.crawled_at < %(now)s - %(fresh)s"
        " or (runs.outcome in ('failed', 'blocked', 'unresolved') and runs.crawled_at < %(now)s - %(retry)s)"
        " order by once.tenant_id, once.rank, once.company_id",
        {
            "own_tenants": list(own),
            "own_companies": list(own.values()),
            "tenants": None if tenant_ids is None else list(tenant_ids),
            "now": now,
            "fresh": dt.timedelta(days=cache_days),
            "retry": RETRY_AFTER,
        },
    ).fetchall()
    return [DueSite(*row) for row in rows]


def due_background(connection: psycopg.Connection, *, now: dt.datetime, cache_days: float) -> list[tuple[int, str]]:
    """Companies of the background sample (id, domain) whose site was read too long ago or has another domain by now.

    One that could not be read is tried again after 1, 3, 9 and 27 days, then when the sample is given again.
    """
    return connection.execute(
        "select company_id, companies.website_domain from raw.background_crawls as crawls"
        " join raw.companies as companies using (company_id) where companies.website_domain is not null and ("
        " crawls.domain <> companies.website_domain"
        " or crawls.failures = 0 and crawls.crawled_at < %(now)s - %(fresh)s"
        " or crawls.crawled_at < %(now)s - (%(retry)s::interval[])[crawls.failures]) order by company_id",
        {"now": now, "fresh": dt.timedelta(days=cache_days), "retry": list(BACKGROUND_RETRY_AFTER)},
    ).fetchall()
