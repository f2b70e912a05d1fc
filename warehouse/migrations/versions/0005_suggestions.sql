-- learned: which registry entity a seed is, what its customers have in common, and what a person adopted of it.

create table learned.company_matches (
    tenant_id integer not null references raw.tenants on delete cascade,
    seed_id bigint not null,
    entity_id bigint,
    path text not null check (path in ('decided', 'domain', 'exact_name', 'fuzzy', 'review', 'none')),
    probability double precision check (probability between 0 and 1),
    runner_up_margin double precision,
    features jsonb not null default '{}',
    reason text not null,
    model_version text not null,
    matched_at timestamptz not null default clock_timestamp(),
    run_id text,
    primary key (tenant_id, seed_id)
);
comment on table learned.company_matches is
'One row per tenant and seed: the registry entity it is, on which path that was found and how probable it is. path
review: doubtful, entity_id is the best guess and counts for nothing until a person decides; none: no candidate.';
select access.protect('learned.company_matches');

create table learned.match_candidates (
    tenant_id integer not null references raw.tenants on delete cascade,
    seed_id bigint not null,
    rank integer not null check (rank > 0),
    entity_id bigint not null,
    name text not null,
    registration_number text not null,
    probability double precision not null check (probability between 0 and 1),
    features jsonb not null,
    primary key (tenant_id, seed_id, rank)
);
comment on table learned.match_candidates is 'One row per doubtful seed and candidate, best first: the review queue.';
select access.protect('learned.match_candidates');

create table learned.signal_estimates (
    tenant_id integer not null references raw.tenants on delete cascade,
    signal_key text not null,
    value_key text not null,
    label_text text not null,
    companies integer not null,
    n integer not null,
    support double precision not null,
    interval_low double precision not null,
    interval_high double precision not null,
    base_rate double precision,
    base_n integer,
    lift double precision,
    lost_companies integer not null,
    lost_n integer not null,
    p_value double precision,
    label text not null check (label in ('characteristic', 'no_evidence', 'no_base_rate')),
    as_of date not null,
    run_id text,
    primary key (tenant_id, signal_key, value_key)
);
comment on table learned.signal_estimates is
'One row per tenant, signal and value: how many of its best customers show it, against the base rate among companies
at large; characteristic where the excess survives a false discovery rate of 10 %.';
select access.protect('learned.signal_estimates');

create table learned.icp_suggestion_sets (
    tenant_id integer not null references raw.tenants on delete cascade,
    generation integer not null check (generation > 0),
    intake_version integer,
    computed_at timestamptz not null default clock_timestamp(),
    inputs_hash text not null,
    best_seeds integer not null,
    seeds_with_evidence integer not null,
    reduced_evidence boolean not null,
    negative_icp jsonb not null,
    advice text[] not null default '{}',
    run_id text,
    primary key (tenant_id, generation)
);
comment on table learned.icp_suggestion_sets is
'One row per tenant and generation of suggestions: the negative ICP, and which seeds would help. Never deleted.';
select access.protect('learned.icp_suggestion_sets');

create table learned.icp_suggestions (
    tenant_id integer not null,
    generation integer not null,
    suggestion_id text not null,
    rank integer not null check (rank > 0),
    title text not null,
    score double precision not null,
    evidence_count integer not null,
    evidence_ids bigint[] not null,
    reduced_evidence boolean not null,
    card jsonb not null,
    targeting_pack jsonb not null,
    rule_payload jsonb not null,
    primary key (tenant_id, generation, suggestion_id),
    unique (tenant_id, generation, rank),
    foreign key (tenant_id, generation) references learned.icp_suggestion_sets on delete cascade
);
comment on table learned.icp_suggestions is
'One row per tenant, generation and micro-ICP: card and targeting pack as JSON of published schemas, with the
evidence.';
select access.protect('learned.icp_suggestions');

create table learned.suggestion_decisions (
    tenant_id integer not null references raw.tenants on delete cascade,
    suggestion_id text not null,
    decision text not null check (decision in ('accepted', 'rejected')),
    decided_by text not null,
    decided_at timestamptz not null default clock_timestamp(),
    reason text,
    primary key (tenant_id, suggestion_id)
);
comment on table learned.suggestion_decisions is
'One row per suggestion that a person accepted or rejected, last word only.';
select access.protect('learned.suggestion_decisions');

create table learned.lookalike_companies (
    tenant_id integer not null references raw.tenants on delete cascade,
    suggestion_id text not null,
    rank integer not null check (rank between 1 and 50),
    entity_id bigint,
    company_id bigint,
    name text not null,
    registration_number text,
    website_domain text,
    score double precision not null,
    why text not null,
    snippet text,
    computed_at timestamptz not null default clock_timestamp(),
    primary key (tenant_id, suggestion_id, rank)
);
comment on table learned.lookalike_companies is
'One row per suggestion and company like the tenant''s best customers, best first, with why. At most 50.';
select access.protect('learned.lookalike_companies');

create table learned.icp_rules (
    tenant_id integer not null references raw.tenants on delete cascade,
    rule_id bigint generated always as identity,
    name text not null,
    payload jsonb not null,
    suggestion_id text,
    is_active boolean not null default true,
    created_by text not null,
    created_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    primary key (tenant_id, rule_id)
);
create unique index one_active_rule_per_name on learned.icp_rules (tenant_id, name) where is_active;
comment on table learned.icp_rules is
'One row per rule a person adopted: payload {ssic_codes, integrations, champions, exclusions, ...}. Sourcing reads it.';
select access.protect('learned.icp_rules');

-- Masked here, not in the readers: a viewer never gets the words, whatever client it uses.
create view learned.evidence with (security_barrier) as
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
    evidence.observed_at
from raw.icp_evidence as evidence
inner join raw.companies as companies on evidence.company_id = companies.company_id
where
    (select access.sees_all_tenants())
    or evidence.tenant_id = (select access.current_tenant());
comment on view learned.evidence is
'One row per fact that a suggestion can cite. Snippets are shown to icp_ops and masked for viewers and BI.';
grant select on learned.evidence to icp_viewer, icp_bi;

-- Writing for people: through functions that check who asks, and write rule, decision and audit entry as one.
create function access.must_decide_for(asked_tenant integer) returns void
language plpgsql stable
set search_path = ''
as $$
begin
    if pg_catalog.pg_has_role(session_user, 'icp_pipeline', 'usage') then
        return;
    end if;
    if pg_catalog.pg_has_role(session_user, 'icp_ops', 'usage') and access.current_tenant() = asked_tenant then
        return;
    end if;
    raise exception 'Only icp_ops of this tenant may decide on suggestions and matches.'
        using errcode = 'insufficient_privilege';
end
$$;
comment on function access.must_decide_for(integer) is 'Raises unless the session''s login may decide for the tenant.';

create function learned.accept_suggestion(
    asked_tenant integer, asked_suggestion text, actor text, overrides jsonb default '{}'
) returns bigint
language plpgsql security definer
set search_path = ''
as $$
declare
    suggested record;
    unknown text;
    rule jsonb;
    unwanted jsonb;
    new_rule bigint;
begin
    perform access.must_decide_for(asked_tenant);
    select suggestions.title, suggestions.rule_payload into suggested
    from learned.icp_suggestions as suggestions
    where suggestions.tenant_id = asked_tenant and suggestions.suggestion_id = asked_suggestion
    order by suggestions.generation desc limit 1;
    if not found then
        raise exception 'There is no suggestion % for this tenant.', asked_suggestion using errcode = 'no_data_found';
    end if;
    select key into unknown from pg_catalog.jsonb_object_keys(overrides) as key
    where key not in (
        'name', 'ssic_codes', 'exclude_ssic_codes', 'integrations', 'champions', 'exclusions',
        'headcount_min', 'headcount_max', 'countries'
    ) limit 1;
    if unknown is not null then
        raise exception 'A rule has no field %.', unknown using errcode = 'invalid_parameter_value';
    end if;
    rule := suggested.rule_payload || (overrides - 'name' - 'exclude_ssic_codes');
    unwanted := coalesce(overrides -> 'exclude_ssic_codes', '[]');
    if pg_catalog.jsonb_array_length(unwanted) > 0 then
        rule := rule || pg_catalog.jsonb_build_object(
            'ssic_codes', coalesce((
                select pg_catalog.jsonb_agg(code) from pg_catalog.jsonb_array_elements(rule -> 'ssic_codes') as code
                where not unwanted @> code
            ), '[]'),
            'excluded_ssic_codes', unwanted
        );
    end if;
    update learned.icp_rules set is_active = false, ended_at = pg_catalog.clock_timestamp()
    where
        icp_rules.tenant_id = asked_tenant and icp_rules.is_active
        and icp_rules.name = coalesce(overrides ->> 'name', suggested.title);
    insert into learned.icp_rules (tenant_id, name, payload, suggestion_id, created_by)
    values (asked_tenant, coalesce(overrides ->> 'name', suggested.title), rule, asked_suggestion, actor)
    returning rule_id into new_rule;
    insert into learned.suggestion_decisions (tenant_id, suggestion_id, decision, decided_by)
    values (asked_tenant, asked_suggestion, 'accepted', actor)
    on conflict (tenant_id, suggestion_id) do update
    set decision = 'accepted', decided_by = excluded.decided_by, decided_at = pg_catalog.clock_timestamp(),
    reason = null;
    insert into learned.audit_log (tenant_id, actor, action, object, detail)
    values (
        asked_tenant, actor, 'accept_suggestion', asked_suggestion,
        pg_catalog.jsonb_build_object('rule_id', new_rule, 'payload', rule, 'overrides', overrides, 'login',
        session_user)
    );
    return new_rule;
end
$$;
comment on function learned.accept_suggestion(integer, text, text, jsonb) is
'Writes a rule from a suggestion (latest generation that has it) with overrides; icp_ops of the tenant only. A rule of
the same name is replaced, and kept as inactive.';

create function learned.reject_suggestion(
    asked_tenant integer, asked_suggestion text, actor text, why text default null
) returns void
language plpgsql security definer
set search_path = ''
as $$
begin
    perform access.must_decide_for(asked_tenant);
    if not exists (
        select from learned.icp_suggestions as suggestions
        where suggestions.tenant_id = asked_tenant and suggestions.suggestion_id = asked_suggestion
    ) then
        raise exception 'There is no suggestion % for this tenant.', asked_suggestion using errcode = 'no_data_found';
    end if;
    update learned.icp_rules set is_active = false, ended_at = pg_catalog.clock_timestamp()
    where icp_rules.tenant_id = asked_tenant and icp_rules.suggestion_id = asked_suggestion and icp_rules.is_active;
    insert into learned.suggestion_decisions (tenant_id, suggestion_id, decision, decided_by, reason)
    values (asked_tenant, asked_suggestion, 'rejected', actor, why)
    on conflict (tenant_id, suggestion_id) do update
    set decision = 'rejected', decided_by = excluded.decided_by, decided_at = pg_catalog.clock_timestamp(),
        reason = excluded.reason;
    insert into learned.audit_log (tenant_id, actor, action, object, detail)
    values (
        asked_tenant, actor, 'reject_suggestion', asked_suggestion,
        pg_catalog.jsonb_build_object('reason', why, 'login', session_user)
    );
end
$$;
comment on function learned.reject_suggestion(integer, text, text, text) is
'Notes that a suggestion is not wanted and ends its rule; icp_ops of the tenant only.';

create function learned.decide_match(
    asked_tenant integer, asked_seed bigint, asked_decision text, asked_entity bigint, actor text,
    edits jsonb default '{}'
) returns void
language plpgsql security definer
set search_path = ''
as $$
declare
    decided_key text;
begin
    perform access.must_decide_for(asked_tenant);
    select seeds.seed_key into decided_key from raw.customer_seeds as seeds
    where seeds.tenant_id = asked_tenant and seeds.seed_id = asked_seed;
    if not found then
        raise exception 'There is no seed % for this tenant.', asked_seed using errcode = 'no_data_found';
    end if;
    insert into raw.match_decisions (tenant_id, seed_key, decision, entity_id, details, decided_by)
    values (asked_tenant, decided_key, asked_decision, asked_entity, edits, actor)
    on conflict (tenant_id, seed_key) do update
    set decision = excluded.decision, entity_id = excluded.entity_id, details = excluded.details,
        decided_by = excluded.decided_by, decided_at = pg_catalog.clock_timestamp();
    perform intermediate.touch('raw.match_decisions', array[asked_tenant]);
    insert into learned.audit_log (tenant_id, actor, action, object, detail)
    values (
        asked_tenant, actor, 'decide_match', decided_key,
        pg_catalog.jsonb_build_object(
            'decision', asked_decision, 'entity_id', asked_entity, 'edits', edits, 'login', session_user
        )
    );
end
$$;
comment on function learned.decide_match(integer, bigint, text, bigint, text, jsonb) is
'Remembers what a person decided about a seed''s registry entity: confirm, pick or none; icp_ops of the tenant only.';

revoke execute on function
learned.accept_suggestion(integer, text, text, jsonb),
learned.reject_suggestion(integer, text, text, text),
learned.decide_match(integer, bigint, text, bigint, text, jsonb)
from public;
grant execute on function
learned.accept_suggestion(integer, text, text, jsonb),
learned.reject_suggestion(integer, text, text, text),
learned.decide_match(integer, bigint, text, bigint, text, jsonb)
to icp_ops;
