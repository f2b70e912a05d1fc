with signals as (

    select * from {{ source('raw', 'company_signals') }}

),

final as (

    select
        company_id,
        signal_key,
        value_key
    from signals

)

select * from final
