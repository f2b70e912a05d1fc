-- Who may see what. One row per login that may read as a tenant; one function that protects a table.

create table access.tenant_logins (
    login name primary key,
    tenant_id integer,
    created_at timestamptz not null default now()
);
comment on table access.tenant_logins is
'One row per login. With a tenant_id the login always reads that tenant; without one it is a trusted
application that says which tenant it reads, per transaction: set_config(''app.tenant_id'', ''7'', true).
A login that is not listed reads nothing.';

-- Security definer: readers need no grant on the table. session_user, not current_user: "set role" does not
-- change who logged in, and a mapped login cannot choose another tenant by setting app.tenant_id.
create function access.current_tenant() returns integer
language sql stable security definer
set search_path = ''
as $$
    select
        case
            when logins.tenant_id is not null then logins.tenant_id
            else nullif(current_setting('app.tenant_id', true), '')::integer
        end
    from access.tenant_logins as logins
    where logins.login = session_user
$$;
comment on function access.current_tenant() is 'The tenant this session may read, or null for none.';

create function access.sees_all_tenants() returns boolean
language sql stable
set search_path = ''
as $$
    select
        pg_catalog.pg_has_role(current_user, 'icp_bi', 'usage')
        or pg_catalog.pg_has_role(current_user, 'icp_scorer', 'usage')
        or pg_catalog.pg_has_role(current_user, 'icp_pipeline', 'usage')
$$;
comment on function access.sees_all_tenants() is 'Whether the role reads every tenant: BI, scorer, pipeline.';

-- Idempotent, and changes the catalogue only where something is missing: the dbt post-hook calls it on every
-- run, and "alter table" would wait for every reader.
create function access.protect(
    target regclass, readers name[] default array['icp_viewer', 'icp_bi']
) returns void
language plpgsql
set search_path = ''
as $$
declare
    reader name;
    rule text;
begin
    if not (select relrowsecurity from pg_catalog.pg_class where oid = target) then
        execute pg_catalog.format('alter table %s enable row level security', target);
    end if;
    foreach reader in array readers loop
        if not pg_catalog.has_table_privilege(reader, target, 'select') then
            execute pg_catalog.format('grant select on %s to %I', target, reader);
        end if;
        if not exists (
            select from pg_catalog.pg_policy where polrelid = target and polname = reader || '_reads'
        ) then
            rule := case
                when reader in ('icp_bi', 'icp_scorer') then 'true'
                else 'tenant_id = (select access.current_tenant())'
            end;
            execute pg_catalog.format(
                'create policy %I on %s for select to %I using (%s)', reader || '_reads', target, reader, rule
            );
        end if;
    end loop;
end
$$;
comment on function access.protect(regclass, name[]) is
'Gives the readers select on a tenant table, bound by row-level security to the tenant they may see.';

grant usage on schema access to icp_viewer, icp_bi, icp_scorer;
grant usage on schema marts, learned to icp_viewer, icp_bi;
grant usage on schema learned to icp_scorer;
