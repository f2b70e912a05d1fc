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
    -- Companies at large are read by rules alone: what only a language model found at a customer can be cited, and
    -- counted it would look special. A tenant's own site is compared with nobody's.
    where not is_model_only or source = 'user_site'

)

select * from final
