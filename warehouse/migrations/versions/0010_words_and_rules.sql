-- Words of pages are for icp_ops, also beside a look-alike; and a rule that was adopted is one that can be read.

-- As learned.evidence: the rows go behind a view of the name that readers know. A table of its own, not a renamed one,
-- so that what readers were granted is gone with the old one.
create table learned.lookalikes (
    like learned.lookalike_companies including all,
    foreign key (tenant_id) references raw.tenants on delete cascade
);
insert into learned.lookalikes
select
    tenant_id,
    suggestion_id,
    rank,
    entity_id,
    company_id,
    name,
    registration_number,
    website_domain,
    score,
    why,
    snippet,
    computed_at
from learned.lookalike_companies;
drop table learned.lookalike_companies;
comment on table learned.lookalikes is
'One row per suggestion and company like the tenant''s best customers, best first, with why and the words of its site
or registry entry. At most 50. The pipeline''s; readers have learned.lookalike_companies.';

create view learned.lookalike_companies with (security_barrier) as
select
    lookalikes.tenant_id,
    lookalikes.suggestion_id,
    lookalikes.rank,
    lookalikes.entity_id,
    lookalikes.company_id,
    lookalikes.name,
    lookalikes.registration_number,
    lookalikes.website_domain,
    lookalikes.score,
    lookalikes.why,
    case
        when
            pg_catalog.pg_has_role(current_user, 'icp_ops', 'usage')
            or pg_catalog.pg_has_role(current_user, 'icp_pipeline', 'usage')
            then lookalikes.snippet
        when lookalikes.snippet is not null then '(masked)'
    end as snippet,
    lookalikes.computed_at
from learned.lookalikes as lookalikes
where
    (select access.sees_all_tenants())
    or lookalikes.tenant_id = (select access.current_tenant());
comment on view learned.lookalike_companies is
'One row per suggestion and company like the tenant''s best customers, best first, with why. At most 50. Snippets are
shown to icp_ops and masked for viewers and BI.';
grant select on learned.lookalike_companies to icp_viewer, icp_bi;

-- Whoever calls: what is adopted is of the published schema (docs/schemas/icp_rule.schema.json). Strict paths: a lax
-- one would look into a list where a text is due.
create function learned.must_be_overrides(overrides jsonb) returns void
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
    whole_number constant jsonpath := 'strict $ ? (@ == null || @ >= 0 && @.floor() == @)';
    codes constant jsonpath :=
        'strict $ ? (@.type() == "array"'
        ' && !exists(@[*] ? (@.type() != "string" || !(@ like_regex "^[0-9]{2,5}$"))))';
    texts constant jsonpath := 'strict $ ? (@.type() == "array" && !exists(@[*] ? (@.type() != "string")))';
    wrong record;
begin
    if jsonb_typeof(overrides) is distinct from 'object' then
        raise exception 'Overrides are a JSON object with fields of a rule.' using errcode = 'invalid_parameter_value';
    end if;
    select given.key, given.value, fields.takes into wrong
    from jsonb_each(overrides) as given (key, value)
    left join (
        values
        ('name', 'a text', 'strict $ ? (@ like_regex "\\S")'::jsonpath),
        ('headcount_min', 'a whole number, 0 or more', whole_number),
        ('headcount_max', 'a whole number, 0 or more', whole_number),
        ('ssic_codes', 'a list of industry codes of two to five digits', codes),
        ('exclude_ssic_codes', 'a list of industry codes of two to five digits', codes),
        ('integrations', 'a list of texts', texts),
        ('champions', 'a list of texts', texts),
        ('exclusions', 'a list of texts', texts),
        ('countries', 'a list of texts', texts)
    ) as fields (name, takes, path) on given.key = fields.name
    where (given.value @? fields.path) is not true
    limit 1;
    if wrong.key is not null and wrong.takes is null then
        raise exception 'A rule has no field %.', wrong.key using errcode = 'invalid_parameter_value';
    elsif wrong.key is not null then
        raise exception '% must be %; got %.', wrong.key, wrong.takes, left(wrong.value::text, 100)
            using errcode = 'invalid_parameter_value';
    end if;
end
$$;
comment on function learned.must_be_overrides(jsonb) is
'Raises unless these are fields of a rule with values that it takes; a head-count of null is no limit.';

-- As before, but what is given is checked, what comes of it too, and an excluded code takes those below it along.
create or replace function learned.accept_suggestion(
    asked_tenant integer, asked_suggestion text, actor text, overrides jsonb default '{}'
) returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    suggested record;
    rule jsonb;
    unwanted jsonb;
    low numeric;
    high numeric;
    new_rule bigint;
    standing_rule bigint;
begin
    perform access.must_decide_for(asked_tenant);
    select suggestions.title, suggestions.rule_payload into suggested
    from learned.icp_suggestions as suggestions
    where suggestions.tenant_id = asked_tenant and suggestions.suggestion_id = asked_suggestion
    order by suggestions.generation desc limit 1;
    if not found then
        raise exception 'There is no suggestion % for this tenant.', asked_suggestion using errcode = 'no_data_found';
    end if;
    perform learned.must_be_overrides(overrides);
    rule := jsonb_strip_nulls(suggested.rule_payload || (overrides - 'name' - 'exclude_ssic_codes'));
    low := rule ->> 'headcount_min';
    high := rule ->> 'headcount_max';
    if low > high then
        raise exception 'headcount_min (%) is above headcount_max (%)%.', low, high, case
            when not overrides ? 'headcount_max'
                then format(' of "%s": give headcount_max too (--headcount-max)', suggested.title)
            when not overrides ? 'headcount_min'
                then format(' of "%s": give headcount_min too (--headcount-min)', suggested.title)
            else ''
        end using errcode = 'invalid_parameter_value';
    end if;
    unwanted := coalesce(overrides -> 'exclude_ssic_codes', '[]');
    if jsonb_array_length(unwanted) > 0 then
        rule := rule || jsonb_build_object(
            'ssic_codes', coalesce((
                select jsonb_agg(codes.code order by codes.place)
                from jsonb_array_elements_text(rule -> 'ssic_codes') with ordinality as codes (code, place)
                where not exists (
                    select from jsonb_array_elements_text(unwanted) as beginnings (code)
                    where starts_with(codes.code, beginnings.code)
                )
            ), '[]'),
            'excluded_ssic_codes', unwanted
        );
    end if;
    select rules.rule_id into standing_rule
    from learned.icp_rules as rules
    where
        rules.tenant_id = asked_tenant and rules.is_active and rules.suggestion_id = asked_suggestion
        and rules.name = coalesce(overrides ->> 'name', suggested.title) and rules.payload = rule;
    if found then
        return standing_rule;
    end if;
    update learned.icp_rules set is_active = false, ended_at = clock_timestamp()
    where
        icp_rules.tenant_id = asked_tenant and icp_rules.is_active
        and icp_rules.name = coalesce(overrides ->> 'name', suggested.title);
    insert into learned.icp_rules (tenant_id, name, payload, suggestion_id, created_by)
    values (asked_tenant, coalesce(overrides ->> 'name', suggested.title), rule, asked_suggestion, actor)
    returning rule_id into new_rule;
    insert into learned.suggestion_decisions (tenant_id, suggestion_id, decision, decided_by)
    values (asked_tenant, asked_suggestion, 'accepted', actor)
    on conflict (tenant_id, suggestion_id) do update
    set decision = 'accepted', decided_by = excluded.decided_by, decided_at = clock_timestamp(), reason = null;
    insert into learned.audit_log (tenant_id, actor, action, object, detail)
    values (
        asked_tenant, actor, 'accept_suggestion', asked_suggestion,
        jsonb_build_object('rule_id', new_rule, 'payload', rule, 'overrides', overrides, 'login', session_user)
    );
    return new_rule;
end
$$;
comment on function learned.accept_suggestion(integer, text, text, jsonb) is
'Writes a rule from a suggestion (latest generation that has it) with overrides; icp_ops of the tenant only. Excluded
codes take those below them along. A rule of the same name is replaced, and kept as inactive; the same rule again is the
one that stands.';
