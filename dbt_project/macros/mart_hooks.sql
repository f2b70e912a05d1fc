{#
    What happens before and after every mart. One with a tenant_id is built by tenant and protected by a policy;
    one without is a shared reference, built whole and open to every reader. The contract is enforced, so that
    the columns declared are the columns there are.
#}

{% macro is_by_tenant() -%}
{{ return('tenant_id' in model.columns) }}
{%- endmacro %}


{% macro begin_mart() -%}
{%- if execute -%}
{{ begin_changed_tenants() if is_by_tenant() else begin_changed_reference() }}
{%- endif -%}
{%- endmacro %}


{% macro finish_mart() -%}
{%- if execute -%}
{{ finish_changed_tenants() if is_by_tenant() else finish_changed_reference() }}
{%- endif -%}
{%- endmacro %}


{# Changes the catalogue only where a grant is missing. #}
{% macro open_to_readers() -%}
{%- if execute and is_by_tenant() -%}
select access.protect('{{ this }}')
{%- elif execute -%}
do $do$
begin
    if not (
        has_table_privilege('icp_viewer', '{{ this }}', 'select')
        and has_table_privilege('icp_bi', '{{ this }}', 'select')
    ) then
        grant select on {{ this }} to icp_viewer, icp_bi;
    end if;
end
$do$
{%- endif -%}
{%- endmacro %}
