with snapshots as (

    select * from {{ source('raw', 'lead_score_snapshots') }}

),

final as (

    select
        tenant_id,
        lead_id,
        scored_at,
        data_quality,
        authority,
        company_fit,
        timing,
        risk,
        score,
        num_nonnulls(data_quality, authority, company_fit, timing) > 0 as has_components
    from snapshots
    -- this warehouse's own scorings repeat the source's components under other weights
    where origin = 'source'

)

select * from final
