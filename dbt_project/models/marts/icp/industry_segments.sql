with entities as (

    select * from {{ ref('stg_registry__entities') }} as entities
    where not entities.is_gone and {{ is_reference_changed() }}

),

live_entities as (

    select * from {{ ref('stg_registry__entities') }} as entities
    where entities.is_live and entities.industry_code is not null and {{ is_reference_changed() }}

),

codes as (

    select * from {{ ref('stg_registry__industry_codes') }}
    where {{ is_reference_changed() }}

),

divisions as (

    select
        version,
        code,
        parent_code as section
    from codes
    where level = 'division'

),

-- Some ten thousand pairs of codes instead of millions of entities.
code_pairs as (

    select
        industry_code_version as version,
        industry_code,
        secondary_industry_code,
        count(*) as entities,
        count(*) filter (where is_live) as live_entities
    from entities
    where num_nonnulls(industry_code, secondary_industry_code) > 0
    group by industry_code_version, industry_code, secondary_industry_code

),

totals as (

    select
        version,
        sum(live_entities) as live_entities
    from code_pairs
    group by version

),

pairs_per_level as (

    {% for digits in [5, 4, 3, 2] %}
    select
        version,
        left(industry_code, {{ digits }}) as code,
        left(secondary_industry_code, {{ digits }}) as secondary_code,
        entities,
        live_entities
    from code_pairs
    union all
    {% endfor %}
    select
        code_pairs.version,
        first_division.section as code,
        second_division.section as secondary_code,
        code_pairs.entities,
        code_pairs.live_entities
    from code_pairs
    left join divisions as first_division
        on code_pairs.version = first_division.version and left(code_pairs.industry_code, 2) = first_division.code
    left join divisions as second_division
        on
            code_pairs.version = second_division.version
            and left(code_pairs.secondary_industry_code, 2) = second_division.code

),

-- An entity counts once for a code, whichever of its two codes lies in it.
counted as (

    select
        version,
        code,
        sum(entities) as entities,
        sum(live_entities) as live_entities
    from (
        select
            version,
            code,
            entities,
            live_entities
        from pairs_per_level
        where code is not null
        union all
        select
            version,
            secondary_code as code,
            entities,
            live_entities
        from pairs_per_level
        where secondary_code is not null and secondary_code is distinct from code
    ) as memberships
    group by version, code

),

-- Any five would do, but always the same and not all from the beginning of the alphabet.
sampled as (

    select *
    from (
        select
            industry_code_version as version,
            industry_code,
            registration_number,
            name,
            row_hash,
            entity_id,
            row_number() over (
                partition by industry_code_version, industry_code order by row_hash, entity_id
            ) as place
        from live_entities
    ) as placed
    where place <= 5

),

samples_per_level as (

    {% for digits in [5, 4, 3, 2] %}
    select
        version,
        left(industry_code, {{ digits }}) as code,
        registration_number,
        name,
        row_hash,
        entity_id
    from sampled
    union all
    {% endfor %}
    select
        sampled.version,
        divisions.section as code,
        sampled.registration_number,
        sampled.name,
        sampled.row_hash,
        sampled.entity_id
    from sampled
    inner join divisions
        on sampled.version = divisions.version and left(sampled.industry_code, 2) = divisions.code

),

samples as (

    select
        version,
        code,
        jsonb_agg(
            jsonb_build_object('registration_number', registration_number, 'name', name) order by place
        ) as sample
    from (
        select
            samples_per_level.*,
            row_number() over (partition by version, code order by row_hash, entity_id) as place
        from samples_per_level
    ) as placed
    where place <= 5
    group by version, code

),

-- The whole classification, and whatever else the registry uses.
all_codes as (

    select
        coalesce(codes.version, counted.version) as version,
        coalesce(codes.code, counted.code) as code,
        coalesce(codes.level, case length(counted.code)
            when 5 then 'subclass' when 4 then 'class' when 3 then 'group' when 2 then 'division' else 'section'
        end) as level,
        codes.title,
        coalesce(counted.entities, 0) as entities,
        coalesce(counted.live_entities, 0) as live_entities
    from codes
    full outer join counted on codes.version = counted.version and codes.code = counted.code

),

final as (

    select
        all_codes.version::text as version,
        all_codes.code::text as code,
        all_codes.level::text as level,
        all_codes.title::text as title,
        all_codes.entities::integer as entities,
        all_codes.live_entities::integer as live_entities,
        coalesce(totals.live_entities, 0)::integer as version_live_entities,
        (all_codes.live_entities::double precision / nullif(totals.live_entities, 0))::double precision as share,
        coalesce(samples.sample, '[]')::jsonb as sample
    from all_codes
    left join totals on all_codes.version = totals.version
    left join samples on all_codes.version = samples.version and all_codes.code = samples.code

)

select * from final
