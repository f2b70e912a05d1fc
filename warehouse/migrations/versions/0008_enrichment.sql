-- Enrichment: a site that could not be read is tried again by itself; a cost that nobody knows is no zero.

alter table raw.company_enrichment_runs add column attempts integer not null default 0;
alter table raw.company_enrichment_runs add column retry_at timestamptz;
comment on column raw.company_enrichment_runs.attempts is
'How often in a row its site could not be read.';
comment on column raw.company_enrichment_runs.retry_at is
'When it goes back to the queue by itself; null: not before somebody asks.';

-- Until now nothing was counted: the zeros were no measurement.
alter table raw.vendor_usage alter column cost_usd drop not null;
update raw.vendor_usage set cost_usd = null
where calls > 0;
comment on column raw.vendor_usage.cost_usd is
'What the calls cost at most, by the prices in the settings; null: unknown, a price is not set.';

-- Keys of marts are indexed: one that no index page holds stops the runs of all tenants.
update raw.icp_evidence set value_key = left(value_key, 200)
where length(value_key) > 200;
update raw.company_signals set value_key = left(value_key, 200)
where length(value_key) > 200;
