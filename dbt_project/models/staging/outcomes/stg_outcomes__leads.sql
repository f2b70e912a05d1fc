with leads as (

    select * from {{ source('raw', 'leads') }}

),

final as (

    select
        tenant_id,
        lead_id,
        source_id,
        created_at,
        first_contact_at,
        nullif(regexp_replace(title, '\s+', ' ', 'g'), '') as title,
        nullif(regexp_replace(industry, '\s+', ' ', 'g'), '') as industry,
        nullif(employee_count, 0) as employee_count,
        nullif(country, '') as country,
        is_new_role,
        is_hiring,
        recently_funded,
        attributes
    from leads
    where deleted_at is null

)

select * from final
