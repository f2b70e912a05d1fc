-- Words of pages are for icp_ops, also beside a look-alike; and a rule that was adopted is one that can be read.

-- As learned.evidence: the rows go behind a view of the name that readers know. A table of its own, not a renamed one,
-- so that what readers were granted is gone with the old one.
create table learned.lookalikes (
    like learned.lookalike_companies including all,
    foreign key (tenant_id) references raw.tenants on delete cascade
);
insert into learned.lookalikes
select
    tenant_id,
    suggestion_id,
    rank,
    entity_id,
    company_id,
    name,
    registration_number,
    website_domain,
    score,
    why,
    snippet,
    computed_at
from learned.lookalike_companies;
drop table learned.lookalike_companies;
comment on table learned.lookalikes is
'One row per suggestion and company like the tenant''s best customers, best first, with why and the words of its site
or registry entry. At most 50. The pipeline''s; readers have learned.lookalike_companies.';

create view learned.lookalike_companies with (security_barrier) as
select
    lookalikes.tenant_id,
    lookalikes.suggestion_id,
    lookalikes.rank,
    lookalikes.entity_id,
    lookalikes.company_id,
    lookalikes.name,
    lookalikes.registration_number,
    lookalikes.website_domain,
    lookalikes.score,
    lookalikes.why,
    case
        when
            pg_catalog.pg_has_role(current_user, 'icp_ops', 'usage')
            or pg_catalog.pg_has_role(current_user, 'icp_pipeline', 'usage')
            then lookalikes.snippet
        when lookalikes.snippet is not null then '(masked)'
    end as snippet,
    lookalikes.computed_at
from learned.lookalikes as lookalikes
where
    (select access.sees_all_tenants())
    or lookalikes.tenant_id = (select access.current_tenant());
comment on view learned.lookalike_companies is
'One row per suggestion and company like the tenant''s best customers, best first, with why. At most 50. Snippets are
shown to icp_ops and masked for viewers and BI.';
grant select on learned.lookalike_companies to icp_viewer, icp_bi;
