-- Who decides for a tenant does so after the one who is at it: two people who accept the same suggestion at once would
-- both find no rule of its name, and the second insert would break the unique index.

create or replace function access.must_decide_for(asked_tenant integer) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    if not pg_catalog.pg_has_role(session_user, 'icp_pipeline', 'usage') and not (
        pg_catalog.pg_has_role(session_user, 'icp_ops', 'usage')
        and access.current_tenant() is not distinct from asked_tenant
    ) then
        raise exception 'Only icp_ops of this tenant may decide on suggestions and matches.'
            using errcode = 'insufficient_privilege';
    end if;
    perform pg_catalog.pg_advisory_xact_lock(4927005, asked_tenant);
end
$$;
comment on function access.must_decide_for(integer) is
'Raises unless the session''s login may decide for the tenant; then waits until nobody else does.';

-- As before, but accepting the same again changes nothing: a person whose command was killed after it was done repeats
-- it.
create or replace function learned.accept_suggestion(
    asked_tenant integer, asked_suggestion text, actor text, overrides jsonb default '{}'
) returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    suggested record;
    unknown text;
    rule jsonb;
    unwanted jsonb;
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
    select rules.rule_id into standing_rule
    from learned.icp_rules as rules
    where
        rules.tenant_id = asked_tenant and rules.is_active and rules.suggestion_id = asked_suggestion
        and rules.name = coalesce(overrides ->> 'name', suggested.title) and rules.payload = rule;
    if found then
        return standing_rule;
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
the same name is replaced, and kept as inactive; the same rule again is the one that stands.';
