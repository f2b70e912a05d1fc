{#
    Incremental by tenant. A model rebuilds the tenants for which anything it reads has changed: the version
    of a relation it reads (directly or through views), its own code or that of such a view, or the as-of date
    leaving the span for which the rows are right. intermediate.tenant_versions remembers what each tenant
    was built from.

    begin_changed_tenants (pre-hook) marks those tenants as pending and deletes their rows, so that a tenant
    whose leads vanished goes too; the model selects the pending ones; finish_changed_tenants (post-hook)
    records what they were built from. One transaction: a reader sees the old rows or the new ones.
#}

{% macro begin_changed_tenants() -%}
{%- if execute -%}
{%- set name = this.schema ~ '.' ~ this.identifier -%}
{%- set reads = what_it_reads(model.unique_id) -%}
update intermediate.tenant_versions set pending = null where relation = '{{ name }}' and pending is not null;

insert into intermediate.tenant_versions as built (relation, tenant_id, pending)
select
    '{{ name }}',
    tenants.tenant_id,
    md5('{{ reads.code }}|' || coalesce(
        string_agg(inputs.relation || ':' || inputs.version, '|' order by inputs.relation), ''
    ))
from raw.tenants as tenants
cross join intermediate.run_settings as run
left join intermediate.tenant_versions as inputs
    on
        tenants.tenant_id = inputs.tenant_id
        and inputs.relation in ('{{ reads.relations | join("', '") }}')
{% if is_incremental() -%}
where run.tenant_ids is null or tenants.tenant_id = any(run.tenant_ids)
{% endif -%}
group by tenants.tenant_id
on conflict (relation, tenant_id) do update set pending = excluded.pending
{% if is_incremental() -%}
where
    built.built_from is distinct from excluded.pending
    or (select as_of from intermediate.run_settings) < built.built_as_of
    or (select as_of from intermediate.run_settings) >= built.valid_until
{% endif -%}
;

update intermediate.tenant_versions as built set pending = 'gone'
where built.relation = '{{ name }}' and not exists (
    select from raw.tenants as tenants where tenants.tenant_id = built.tenant_id
);
{% if is_incremental() %}
delete from {{ this }} where tenant_id in (
    select pending.tenant_id from intermediate.tenant_versions as pending
    where pending.relation = '{{ name }}' and pending.pending is not null
);
{% endif %}
analyze intermediate.tenant_versions
{%- endif -%}
{%- endmacro %}


{# True for the rows of the tenants that this run of the model rebuilds. Unit tests override it with "true". #}
{% macro is_changed(alias) -%}
{{ alias }}.tenant_id in (
        select pending.tenant_id from intermediate.tenant_versions as pending
        where pending.relation = '{{ this.schema }}.{{ this.identifier }}' and pending.pending is not null
    )
{%- endmacro %}


{% macro finish_changed_tenants() -%}
{%- if execute -%}
{%- set name = this.schema ~ '.' ~ this.identifier -%}
do $do$
begin
    -- the models that read this one come next; autovacuum would come too late for them
    if exists (
        select from intermediate.tenant_versions where relation = '{{ name }}' and pending is not null
    ) then
        analyze {{ this }};
    end if;
end
$do$;

update intermediate.tenant_versions as built
set
    version = nextval('intermediate.versions'),
    built_from = built.pending,
    built_as_of = run.as_of,
    valid_until = {{ valid_until() }},
    pending = null,
    changed_at = clock_timestamp()
from intermediate.run_settings as run
where built.relation = '{{ name }}' and built.pending is not null;

delete from intermediate.tenant_versions where relation = '{{ name }}' and built_from = 'gone'
{%- endif -%}
{%- endmacro %}


{#
    Until when (exclusive) the rows just built stay right as the as-of date moves, as SQL over "built" and
    "run". A model that reads the date and does not know better is right for its own day; one that does not
    read it, for ever. meta.valid_until names a macro that knows better.
#}
{% macro valid_until() -%}
{%- set macro_name = model.config.meta.get('valid_until') -%}
{%- if macro_name -%}
({{ context[macro_name]() }})
{%- elif 'intermediate.run_settings' in what_it_reads(model.unique_id).relations -%}
run.as_of + 1
{%- else -%}
null
{%- endif -%}
{%- endmacro %}


{#
    The relations whose versions decide over a model: sources and incremental models, found through views and
    ephemeral models; and a hash of all code on the way, so that a changed model rebuilds itself.
#}
{% macro what_it_reads(unique_id) -%}
{%- set found = namespace(relations=[], code=[graph.nodes[unique_id].checksum.checksum], todo=[unique_id]) -%}
{%- for _ in range(100) if found.todo -%}
    {%- set parents = [] -%}
    {%- for child in found.todo -%}
        {%- do parents.extend(graph.nodes[child].depends_on.nodes) -%}
    {%- endfor -%}
    {%- set found.todo = [] -%}
    {%- for parent in parents | unique -%}
        {%- if parent in graph.sources -%}
            {%- do found.relations.append(graph.sources[parent].schema ~ '.' ~ graph.sources[parent].identifier) -%}
        {%- else -%}
            {%- set node = graph.nodes[parent] -%}
            {%- if node.config.materialized == 'incremental' -%}
                {%- do found.relations.append(node.schema ~ '.' ~ node.alias) -%}
            {%- else -%}
                {%- do found.code.append(node.checksum.checksum) -%}
                {%- if node.resource_type == 'model' -%}{%- do found.todo.append(parent) -%}{%- endif -%}
            {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
{%- endfor -%}
{{ return({
    'relations': found.relations | unique | sort,
    'code': local_md5(found.code | unique | sort | join('|')),
}) }}
{%- endmacro %}
