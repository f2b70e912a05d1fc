{#
    The as-of date on which something next happens to a tenant's lead_outcomes: a lead matures, or (when the
    run looks back) the first thing that its as-of date hides becomes known.
#}
{% macro lead_outcomes_valid_until() -%}
{%- set on_tenant = "tenant_id = built.tenant_id" -%}
{%- set hidden = {
    'leads': ['created_at', 'first_contact_at'],
    'lead_status_events': ['occurred_at'],
    'activities': ['occurred_at'],
    'lead_score_snapshots': ['scored_at'],
} -%}
select min((instants.next_at at time zone tenants.timezone)::date)
    from {{ ref('stg_outcomes__tenants') }} as tenants
    cross join lateral (
        -- matured means: up to the end of the as-of day, so midnight belongs to the day before
        select min(matures_at) - interval '1 microsecond' as next_at
        from {{ this }} where {{ on_tenant }} and not is_matured
{%- for relation, columns in hidden.items() %}{% for column in columns %}
        union all
        select min({{ column }}) from {{ source('raw', relation) }}
        where {{ on_tenant }} and {{ column }} >= tenants.known_until
{%- endfor %}{% endfor %}
    ) as instants
    where tenants.{{ on_tenant }}
{%- endmacro %}
