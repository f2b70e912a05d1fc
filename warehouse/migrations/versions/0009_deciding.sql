-- Who decides for a tenant does so after the one who is at it: two people who accept the same suggestion at once would
-- both find no rule of its name, and the second insert would break the unique index.

create or replace function access.must_decide_for(asked_tenant integer) returns void
language plpgsql volatile
set search_path = ''
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
