-- learned: what was concluded, in versions, for scorers, sourcing, writers and BI. No personal data.

create table learned.weight_versions (
    tenant_id integer not null references raw.tenants on delete cascade,
    version integer not null check (version > 0),
    source text not null check (source in ('learned', 'pooled')),
    status text not null check (status in ('proposed', 'champion', 'retired', 'rejected')),
    data_quality numeric(4, 3) not null check (data_quality between 0.05 and 0.50),
    authority numeric(4, 3) not null check (authority between 0.05 and 0.50),
    company_fit numeric(4, 3) not null check (company_fit between 0.05 and 0.50),
    timing numeric(4, 3) not null check (timing between 0.05 and 0.50),
    leads integer not null,
    bookings integer not null,
    probability_better double precision check (probability_better between 0 and 1),
    signal_p double precision check (signal_p between 0 and 1),
    reason text not null,
    evidence jsonb not null,
    trained_from date,
    trained_to date,
    as_of date not null,
    run_id text,
    created_at timestamptz not null default clock_timestamp(),
    published_at timestamptz,
    ended_at timestamptz,
    ended_because text,
    primary key (tenant_id, version),
    check (data_quality + authority + company_fit + timing = 0.850)
);
create unique index one_champion_per_tenant on learned.weight_versions (tenant_id) where status = 'champion';
create unique index one_proposal_per_tenant on learned.weight_versions (tenant_id) where status = 'proposed';
comment on table learned.weight_versions is
'One row per tenant and version of score weights, never deleted. champion: live. proposed: computed last, not
live, reason says why. retired: was live. rejected: a proposal that was overtaken, or a version rolled back.';
select access.protect('learned.weight_versions');

create table learned.weight_decisions (
    tenant_id integer primary key references raw.tenants on delete cascade,
    action text not null check (action in ('publish', 'propose', 'keep', 'withdraw')),
    reason text not null,
    leads integer not null,
    bookings integer not null,
    probability_better double precision check (probability_better between 0 and 1),
    signal_p double precision check (signal_p between 0 and 1),
    mean_data_quality double precision,
    mean_authority double precision,
    mean_company_fit double precision,
    mean_timing double precision,
    as_of date not null,
    run_id text,
    decided_at timestamptz not null default clock_timestamp()
);
comment on table learned.weight_decisions is
'One row per tenant: what the last learning run decided about its weights and why, also where that was nothing;
with the mean of the components at first outreach, as which a missing component is scored.';
select access.protect('learned.weight_decisions');

create table learned.weight_holds (
    tenant_id integer primary key references raw.tenants on delete cascade,
    reason text not null,
    held_by text not null,
    held_at timestamptz not null default clock_timestamp()
);
comment on table learned.weight_holds is
'One row per tenant whose live weights are pinned (a rollback does that): learning proposes, and publishes nothing.';
select access.protect('learned.weight_holds');

create table learned.rate_estimates (
    tenant_id integer not null references raw.tenants on delete cascade,
    attribute text not null,
    value text not null,
    is_missing boolean not null,
    n integer not null,
    booked integer not null,
    raw_rate double precision not null,
    shrunk_rate double precision not null,
    interval_low double precision not null,
    interval_high double precision not null,
    shrunk_lift double precision not null,
    probability_better double precision not null,
    probability_strong double precision not null,
    label text not null check (label in ('better', 'strong', 'worse', 'no_evidence')),
    prior_mean double precision not null,
    prior_strength double precision not null,
    as_of date not null,
    run_id text,
    primary key (tenant_id, attribute, value, is_missing)
);
comment on table learned.rate_estimates is
'One row per tenant, attribute and value with at least five matured leads: the booking rate within the maturity
window, raw and shrunk, its 90 % interval, the shrunk rate over that of all leads, and whether the difference is
evidence.';
select access.protect('learned.rate_estimates');

create table learned.conversion_patterns (
    tenant_id integer not null references raw.tenants on delete cascade,
    pattern_type text not null check (pattern_type in ('who', 'what', 'when', 'how')),
    patterns jsonb not null,
    sample_size integer not null,
    confidence double precision not null check (confidence between 0 and 1),
    computed_at timestamptz not null,
    valid_until timestamptz not null,
    run_id text,
    primary key (tenant_id, pattern_type)
);
comment on table learned.conversion_patterns is
'One row per tenant and pattern type: the pattern that holds now, as JSON of a published schema.';
select access.protect('learned.conversion_patterns');

create table learned.conversion_pattern_history (
    tenant_id integer not null references raw.tenants on delete cascade,
    pattern_type text not null,
    computed_at timestamptz not null,
    patterns jsonb not null,
    sample_size integer not null,
    run_id text,
    primary key (tenant_id, pattern_type, computed_at)
);
comment on table learned.conversion_pattern_history is 'One row per pattern that ever held, append-only.';
select access.protect('learned.conversion_pattern_history');

create table learned.audit_log (
    entry_id bigint generated always as identity primary key,
    tenant_id integer,
    at timestamptz not null default clock_timestamp(),
    actor text not null,
    action text not null,
    object text not null,
    detail jsonb not null default '{}'
);
create index on learned.audit_log (tenant_id, at desc);
comment on table learned.audit_log is 'One row per change of what is live: who, when, what. Append-only.';
select access.protect('learned.audit_log');

-- Two views run with their owner's rights, because readers have no grant on raw.tenants. They carry their own
-- filter, the same as the policies'.
create view learned.tenants with (security_barrier) as
select
    tenants.tenant_id,
    tenants.external_id,
    tenants.slug,
    tenants.name,
    tenants.timezone
from raw.tenants as tenants
where
    (select access.sees_all_tenants())
    or tenants.tenant_id = (select access.current_tenant());
comment on view learned.tenants is 'One row per tenant that the reader may see.';
grant select on learned.tenants to icp_viewer, icp_bi, icp_scorer;

create view learned.current_weights with (security_barrier) as
select
    tenants.tenant_id,
    tenants.external_id,
    tenants.slug,
    coalesce(live.data_quality, 0.200) as data_quality,
    coalesce(live.authority, 0.250) as authority,
    coalesce(live.company_fit, 0.250) as company_fit,
    coalesce(live.timing, 0.150) as timing,
    coalesce(live.source, 'default') as source,
    coalesce(live.version, 0) as version,
    coalesce(live.reason, decided.reason, 'Nothing was learned yet: these are the defaults.') as reason,
    live.published_at,
    decided.mean_data_quality,
    decided.mean_authority,
    decided.mean_company_fit,
    decided.mean_timing,
    (tenants.settings ->> 'risk_credit')::double precision as risk_credit,
    (tenants.settings -> 'tiers' ->> 'hot')::double precision as tier_hot,
    (tenants.settings -> 'tiers' ->> 'warm')::double precision as tier_warm,
    (tenants.settings -> 'tiers' ->> 'cool')::double precision as tier_cool,
    (tenants.settings -> 'tiers' ->> 'cold')::double precision as tier_cold
from raw.tenants as tenants
left join learned.weight_versions as live
    on tenants.tenant_id = live.tenant_id and live.status = 'champion'
left join learned.weight_decisions as decided on tenants.tenant_id = decided.tenant_id
where
    (select access.sees_all_tenants())
    or tenants.tenant_id = (select access.current_tenant());
comment on view learned.current_weights is
'One row per tenant, always: the live weights (learned, pooled, or the defaults as version 0), with the reason
and everything else a scorer needs: means for missing components, risk credit and tier thresholds.';
grant select on learned.current_weights to icp_viewer, icp_bi, icp_scorer;

-- One arithmetic for SQL and Python (models_py.scoring): the same operations in the same order give the same
-- bits. Inlinable: no "set", no "strict".
create function learned.lead_score(
    data_quality double precision,
    authority double precision,
    company_fit double precision,
    timing double precision,
    risk double precision,
    weight_data_quality double precision,
    weight_authority double precision,
    weight_company_fit double precision,
    weight_timing double precision,
    risk_credit double precision
) returns double precision
language sql immutable parallel safe
as $$
    select greatest(0.0::double precision, least(100.0::double precision,
        100.0::double precision * (
            weight_data_quality * (data_quality / 20.0::double precision)
            + weight_authority * (authority / 25.0::double precision)
            + weight_company_fit * (company_fit / 25.0::double precision)
            + weight_timing * (timing / 15.0::double precision)
        ) + risk_credit - risk
    ))
$$;
comment on function learned.lead_score is '0-100 from components in points (none missing), weights and risk.';

create function learned.lead_tier(
    score double precision,
    hot double precision,
    warm double precision,
    cool double precision,
    cold double precision
) returns text
language sql immutable parallel safe
as $$
    select case
        when score >= hot then 'hot'
        when score >= warm then 'warm'
        when score >= cool then 'cool'
        when score >= cold then 'cold'
        when score is not null then 'dead'
    end
$$;
comment on function learned.lead_tier is 'hot, warm, cool, cold or dead, by the tenant''s thresholds.';

create function learned.score_lead(
    tenant_id integer,
    data_quality double precision,
    authority double precision,
    company_fit double precision,
    timing double precision,
    risk double precision
) returns table (score double precision, tier text, weights_version integer, weights_source text)
language sql stable
as $$
    select
        scored.score,
        learned.lead_tier(scored.score, live.tier_hot, live.tier_warm, live.tier_cool, live.tier_cold),
        live.version,
        live.source
    from learned.current_weights as live
    cross join lateral (
        select learned.lead_score(
            -- arguments by their full name: a bare one would mean the column of the same name, the weight
            coalesce(score_lead.data_quality, live.mean_data_quality, 10.0),
            coalesce(score_lead.authority, live.mean_authority, 12.5),
            coalesce(score_lead.company_fit, live.mean_company_fit, 12.5),
            coalesce(score_lead.timing, live.mean_timing, 7.5),
            coalesce(score_lead.risk, 0.0),
            live.data_quality::double precision,
            live.authority::double precision,
            live.company_fit::double precision,
            live.timing::double precision,
            live.risk_credit
        ) as score
    ) as scored
    where live.tenant_id = score_lead.tenant_id
$$;
comment on function learned.score_lead is
'Score of one lead under its tenant''s live weights: one look-up. A missing component counts as the tenant''s
mean, or half of its maximum where nothing was ever observed.';
