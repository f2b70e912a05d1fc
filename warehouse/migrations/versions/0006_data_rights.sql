-- Rights of persons: who was forgotten, without saying who; what was deleted by age; and closed doors.

-- "if not exists": a restore carries the list over into a backup that is older than it.
create table if not exists raw.suppressions (
    fingerprint bytea not null,
    tenant_id integer,
    kind text not null check (kind in ('email', 'linkedin', 'lead', 'row')),
    treatment text not null check (treatment in ('anonymised', 'erased')),
    request_id uuid not null,
    key_id text not null,
    added_at timestamptz not null default clock_timestamp(),
    unique nulls not distinct (fingerprint, tenant_id)
);
delete from raw.suppressions as listed
where
    listed.tenant_id is not null
    and listed.tenant_id not in (select tenants.tenant_id from raw.tenants as tenants);
alter table raw.suppressions add foreign key (tenant_id) references raw.tenants on delete cascade;
comment on table raw.suppressions is
'One row per keyed hash of what a forgotten person was known by (address, profile, lead id, key of a deleted row), for
one tenant or (null) for all. No personal data; the key lies outside of the database. Loads leave such rows out.';

alter table raw.loads add column rows_suppressed bigint not null default 0;
comment on column raw.loads.rows_suppressed is 'Rows left out because the person asked to be forgotten.';

create table raw.retention_runs (
    kind text not null,
    ended_at timestamptz not null default clock_timestamp(),
    retained_days integer,
    deleted bigint not null,
    kept_for_learning bigint not null default 0,
    run_id text,
    primary key (kind, ended_at)
);
comment on table raw.retention_runs is
'One row per kind of row and time that rows older than its retention were deleted. kept_for_learning: older ones
that weights are learned from, and that therefore stay.';

-- The schema of temporary tables is searched for types before any other, unless it is named: with an empty path a
-- reader could make a domain "jsonb" whose check runs within a function of these, with its owner's rights.
do $$
declare
    careless regprocedure;
begin
    for careless in
        select oid from pg_catalog.pg_proc
        where
            pronamespace::regnamespace::text in ('access', 'intermediate', 'learned')
            and proconfig = array['search_path=""']
    loop
        execute format('alter function %s set search_path = pg_catalog, pg_temp', careless);
    end loop;
end
$$;

-- Functions are everybody's unless that is taken away. What readers need they are given; the rest is the pipeline's.
alter default privileges revoke execute on functions from public;
revoke execute on all functions in schema access, intermediate, learned from public;
grant execute on function access.current_tenant(), access.sees_all_tenants() to icp_viewer, icp_ops, icp_bi, icp_scorer;
grant execute on function
learned.lead_score(
    double precision, double precision, double precision, double precision, double precision,
    double precision, double precision, double precision, double precision, double precision
),
learned.lead_tier(double precision, double precision, double precision, double precision, double precision),
learned.score_lead(
    integer, double precision, double precision, double precision, double precision, double precision
)
to icp_viewer, icp_bi, icp_scorer;
