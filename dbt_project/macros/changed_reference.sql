{#
    Incremental without tenants. A shared reference is rebuilt whole when anything it reads has a new version, or
    its code has; otherwise not at all. Its inputs are shared too, and their loaders raise the version for every
    tenant: the newest of those is the version of the input. What it was built from is kept under tenant 0, which
    no tenant has; the rows of the tenants say that what they read of it is new.

    While there are no tenants nobody notes versions, so having none is part of what it was built from, and it is
    rebuilt every time.
#}

{% macro begin_changed_reference() -%}
{%- if execute -%}
{%- set name = this.schema ~ '.' ~ this.identifier -%}
{%- set reads = what_it_reads(model.unique_id) -%}
update intermediate.tenant_versions set pending = null
where relation = '{{ name }}' and tenant_id = 0 and pending is not null;

insert into intermediate.tenant_versions as built (relation, tenant_id, pending)
select
    '{{ name }}',
    0,
    md5('{{ reads.code }}|' || coalesce(
        string_agg(inputs.relation || ':' || inputs.version, '|' order by inputs.relation), ''
    ) || case when exists (select from raw.tenants) then '' else '|no tenants' end)
from (
    select relation, max(version) as version
    from intermediate.tenant_versions
    where relation in ('{{ reads.relations | join("', '") }}')
    group by relation
) as inputs
on conflict (relation, tenant_id) do update set pending = excluded.pending
{% if is_incremental() -%}
where built.built_from is distinct from excluded.pending or not exists (select from raw.tenants)
{% endif -%}
;
{% if is_incremental() %}
delete from {{ this }} where {{ is_reference_changed() }};
{% endif %}
analyze intermediate.tenant_versions
{%- endif -%}
{%- endmacro %}


{# True where this run rebuilds the reference. Unit tests override it with "true". #}
{% macro is_reference_changed() -%}
exists (
        select from intermediate.tenant_versions as pending
        where
            pending.relation = '{{ this.schema }}.{{ this.identifier }}'
            and pending.tenant_id = 0
            and pending.pending is not null
    )
{%- endmacro %}


{% macro finish_changed_reference() -%}
{%- if execute -%}
{%- set name = this.schema ~ '.' ~ this.identifier -%}
do $do$
begin
    if exists (
        select from intermediate.tenant_versions
        where relation = '{{ name }}' and tenant_id = 0 and pending is not null
    ) then
        analyze {{ this }};
        perform intermediate.touch('{{ name }}', array_agg(tenants.tenant_id)) from raw.tenants as tenants;
    end if;
end
$do$;

update intermediate.tenant_versions as built
set
    built_from = built.pending,
    built_as_of = run.as_of,
    pending = null,
    changed_at = clock_timestamp()
from intermediate.run_settings as run
where built.relation = '{{ name }}' and built.tenant_id = 0 and built.pending is not null
{%- endif -%}
{%- endmacro %}
