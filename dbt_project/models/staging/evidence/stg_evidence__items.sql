with evidence as (

    select * from {{ source('raw', 'icp_evidence') }}

),

final as (

    select
        tenant_id,
        evidence_id,
        company_id,
        signal_key,
        value_key,
        source,
        confidence,
        case when signal_key = 'ssic' then value ->> 'version' end as classification_version,
        coalesce(
            nullif(trim(
                case signal_key
                    when 'ssic' then value ->> 'title'
                    when 'headcount' then value ->> 'headcount_band'
                    when 'pricing' then value ->> 'pricing_hint'
                    when 'location'
                        then value ->> case when lower(value ->> 'city') = value_key then 'city' else 'country' end
                    else value ->> signal_key
                end
            ), ''),
            value_key
        ) as label
    from evidence

)

select * from final
