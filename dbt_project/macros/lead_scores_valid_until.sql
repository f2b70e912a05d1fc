{# The as-of date on which a lead or a score that the run's date hides becomes known. #}
{% macro lead_scores_valid_until() -%}
select min((instants.next_at at time zone tenants.timezone)::date)
    from {{ ref('stg_outcomes__tenants') }} as tenants
    cross join lateral (
        select min(scored_at) as next_at from {{ source('raw', 'lead_score_snapshots') }}
        where tenant_id = built.tenant_id and scored_at >= tenants.known_until
        union all
        select min(least(created_at, first_contact_at)) from {{ source('raw', 'leads') }}
        where tenant_id = built.tenant_id and least(created_at, first_contact_at) >= tenants.known_until
    ) as instants
    where tenants.tenant_id = built.tenant_id
{%- endmacro %}
