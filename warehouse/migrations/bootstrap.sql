-- Roles and schemas, created where they are missing. Not a numbered migration: roles belong to the server,
-- not to one database, and an administrator may have made them beforehand.
do $$
declare
    needed name;
begin
    foreach needed in array array['icp_pipeline', 'icp_viewer', 'icp_ops', 'icp_bi', 'icp_scorer']::name[] loop
        if not exists (select from pg_catalog.pg_roles where rolname = needed) then
            begin
                execute format('create role %I nologin', needed);
            exception when duplicate_object or unique_violation then
                null;  -- another installation on this server was faster
            end;
        end if;
    end loop;
    if not pg_catalog.pg_has_role(current_user, 'icp_pipeline', 'usage') then
        execute format('grant icp_pipeline to %I', current_user);
    end if;
    -- whoever may decide for a tenant may read what its viewers read
    if not pg_catalog.pg_has_role('icp_ops', 'icp_viewer', 'usage') then
        grant icp_viewer to icp_ops;
    end if;
    foreach needed in array array['access', 'raw', 'staging', 'intermediate', 'marts', 'learned']::name[] loop
        if not exists (select from pg_catalog.pg_namespace where nspname = needed) then
            execute format('create schema %I authorization icp_pipeline', needed);
        end if;
    end loop;
end
$$;
