with tenants as (

    select * from {{ source('raw', 'tenants') }}

),

run as (

    select * from {{ source('run', 'run_settings') }}

),

final as (

    select
        tenants.tenant_id,
        tenants.slug,
        tenants.timezone,
        run.as_of,
        -- the as-of day counts whole, in the tenant's own zone
        (run.as_of + 1)::timestamp at time zone tenants.timezone as known_until,
        (tenants.settings ->> 'maturity_days')::integer as maturity_days
    from tenants
    cross join run

)

select * from final
