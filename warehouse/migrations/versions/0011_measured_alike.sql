-- Customers and companies at large are measured alike: what only a language model read on a customer's site is marked.

alter table raw.icp_evidence add column is_model_only boolean not null default false;
comment on column raw.icp_evidence.is_model_only is
'A language model read it and no rule did. It can be cited; it is no support, since companies at large are read by
rules alone.';

-- Which of the known facts a model found is written nowhere: sites that one may have read are due again, and most of
-- their pages are in the cache.
update raw.crawl_runs set crawled_at = 'epoch'
where
    crawl_runs.outcome in ('ok', 'degraded')
    and crawl_runs.tenant_id in (
        select model_calls.tenant_id from raw.model_calls as model_calls
        where model_calls.outcome = 'ok' and model_calls.purpose = 'evidence extraction'
    );

create or replace view learned.evidence with (security_barrier) as
select
    evidence.tenant_id,
    evidence.evidence_id,
    evidence.company_id,
    companies.name as company,
    evidence.signal_key,
    evidence.value_key,
    evidence.value,
    evidence.source,
    evidence.source_name,
    evidence.url,
    case
        when
            pg_catalog.pg_has_role(current_user, 'icp_ops', 'usage')
            or pg_catalog.pg_has_role(current_user, 'icp_pipeline', 'usage')
            then evidence.snippet
        when evidence.snippet is not null then '(masked)'
    end as snippet,
    evidence.confidence,
    evidence.observed_at,
    evidence.is_model_only
from raw.icp_evidence as evidence
inner join raw.companies as companies on evidence.company_id = companies.company_id
where
    (select access.sees_all_tenants())
    or evidence.tenant_id = (select access.current_tenant());

create table raw.background_crawls (
    company_id bigint primary key references raw.companies on delete cascade,
    domain text not null,
    outcome text not null check (outcome in ('ok', 'degraded', 'blocked', 'failed')),
    evidence_items integer not null default 0,
    degraded_reasons text[] not null default '{}',
    failures integer not null default 0,
    crawled_at timestamptz not null,
    run_id text
);
comment on table raw.background_crawls is
'One row per company of the background sample: what the last crawl of its site came to. failures: times in a row that
it could not be read.';
insert into raw.background_crawls (company_id, domain, outcome, evidence_items, crawled_at)
select
    signals.company_id,
    companies.website_domain,
    'ok',
    count(*),
    max(signals.observed_at)
from raw.company_signals as signals
inner join raw.companies as companies on signals.company_id = companies.company_id
where companies.website_domain is not null
group by signals.company_id, companies.website_domain;
