-- raw: the evidence side. Shared references (registry, industry codes, companies, public pages) carry no tenant;
-- everything a tenant said, or that was found on its behalf, does. Read by the pipeline alone.

alter table raw.sources drop constraint sources_kind_check;
alter table raw.sources add constraint sources_kind_check check (kind in ('outcomes', 'registry', 'industry_codes'));

create table raw.industry_codes (
    version text not null,
    code text not null check (length(code) between 1 and 5),
    level text not null check (level in ('section', 'division', 'group', 'class', 'subclass')),
    parent_code text,
    title text not null,
    definition text,
    examples text,
    load_id bigint not null,
    primary key (version, code)
);
comment on table raw.industry_codes is
'One row per version of the classification (for SSIC 2015, 2020, 2025) and code. Codes are text: a leading
zero counts.';

create table raw.industry_code_links (
    from_version text not null,
    from_code text not null,
    to_version text not null,
    to_code text not null,
    basis text not null check (
        basis in ('official', 'same code and title', 'same title', 'similar title', 'same code')
    ),
    weight double precision not null check (weight > 0 and weight <= 1),
    load_id bigint not null,
    primary key (from_version, from_code, to_version, to_code)
);
comment on table raw.industry_code_links is
'One row per code of one version and code of another that it became; the weights of one code sum to at most 1.';

create table raw.registry_entities (
    entity_id bigint generated always as identity primary key,
    registry text not null,
    registration_number text not null,
    name text not null,
    name_key text not null,
    former_names text[] not null default '{}',
    former_name_keys text[] not null default '{}',
    entity_type text,
    status text,
    is_live boolean not null,
    incorporated_on date,
    industry_code text check (length(industry_code) = 5),
    secondary_industry_code text check (length(secondary_industry_code) = 5),
    industry_code_version text,
    industry_description text,
    employee_count integer check (employee_count >= 0),
    website_domain text,
    street text,
    city text,
    postal_code text,
    country text,
    row_hash bigint not null,
    gone_at timestamptz,
    load_id bigint not null,
    unique (registry, registration_number)
);
create index on raw.registry_entities (name_key);
create index on raw.registry_entities using gin (former_name_keys);
create index on raw.registry_entities (website_domain) where website_domain is not null;
create index on raw.registry_entities (industry_code_version, industry_code) where is_live;
comment on table raw.registry_entities is
'One row per registry and registration number, struck-off ones too. name_key: the name without its legal form, as
matching compares it. gone_at: since when the registry''s files no longer have it.';

create table raw.companies (
    company_id bigint generated always as identity primary key,
    company_key text not null unique,
    name text not null,
    website_domain text,
    entity_id bigint references raw.registry_entities on delete set null,
    about_text text,
    hq_city text,
    hq_country text,
    linkedin_url text,
    tech_stack text[] not null default '{}',
    email text,
    phone_number text,
    domain_source text,
    enriched_at timestamptz,
    created_at timestamptz not null default clock_timestamp()
);
create index on raw.companies (website_domain);
create index on raw.companies (entity_id);
comment on table raw.companies is
'One row per company somebody named or found. company_key: its domain where one was known at first, else
"name:" and the name key. email and phone_number are the company''s own (info@, the switchboard), never a person''s.';

create table raw.crawl_pages (
    url text primary key,
    domain text not null,
    page_type text not null,
    fetched_via text not null check (fetched_via in ('http', 'jina', 'tavily', 'browser')),
    status integer,
    outcome text not null check (outcome in ('ok', 'not_found', 'blocked', 'failed', 'skipped')),
    reason text,
    title text,
    text text,
    html text,
    etag text,
    last_modified text,
    content_hash text,
    bytes integer not null default 0,
    fetched_at timestamptz not null,
    expires_at timestamptz not null
);
create index on raw.crawl_pages (domain, fetched_at desc);
comment on table raw.crawl_pages is 'One row per public page: the cache of the crawler, shared by all tenants.';

create table raw.company_signals (
    company_id bigint not null references raw.companies on delete cascade,
    content_hash text not null,
    signal_key text not null,
    value_key text not null,
    value jsonb not null,
    url text,
    snippet text,
    confidence double precision not null check (confidence between 0 and 1),
    observed_at timestamptz not null,
    primary key (company_id, content_hash)
);
create index on raw.company_signals (signal_key, value_key);
comment on table raw.company_signals is
'One row per fact found about a company of the background sample: companies crawled for no tenant, whose shares are
the base rates that a tenant''s customers are compared with. No tenant''s evidence ever enters.';

create table raw.icp_intake_inbox (
    tenant_id integer not null references raw.tenants on delete cascade,
    inbox_id bigint generated always as identity,
    payload jsonb not null,
    submitted_by text not null,
    submitted_at timestamptz not null default clock_timestamp(),
    processed_at timestamptz,
    response_id bigint,
    refused_because text,
    primary key (tenant_id, inbox_id)
);
create index on raw.icp_intake_inbox (submitted_at) where processed_at is null;
comment on table raw.icp_intake_inbox is
'One row per intake that an application handed in, as it was sent; the pipeline validates it and says what
became of it.';

create table raw.icp_intake_responses (
    tenant_id integer not null references raw.tenants on delete cascade,
    response_id bigint generated always as identity,
    version integer not null check (version > 0),
    submitted_by text not null,
    submitted_at timestamptz not null,
    payload jsonb not null,
    answers jsonb not null,
    answers_hash text not null,
    is_low_confidence boolean not null,
    notes text[] not null default '{}',
    load_id bigint,
    primary key (tenant_id, response_id),
    unique (tenant_id, version)
);
comment on table raw.icp_intake_responses is
'One row per tenant and version of its intake answers: payload as it was sent, answers normalised, notes in sentences.';

create table raw.customer_seeds (
    tenant_id integer not null references raw.tenants on delete cascade,
    seed_id bigint generated always as identity,
    kind text not null check (kind in ('best', 'lost')),
    seed_key text not null,
    seed_name text not null,
    domain text,
    reason text,
    company_id bigint not null references raw.companies,
    first_version integer not null,
    last_version integer not null,
    is_active boolean not null,
    primary key (tenant_id, seed_id),
    unique (tenant_id, kind, seed_key)
);
comment on table raw.customer_seeds is
'One row per tenant, kind and company that it named as a best or a lost customer. is_active: named in its
latest version.';

create table raw.match_decisions (
    tenant_id integer not null references raw.tenants on delete cascade,
    seed_key text not null,
    decision text not null check (decision in ('confirm', 'pick', 'none')),
    entity_id bigint references raw.registry_entities on delete cascade,
    details jsonb not null default '{}',
    decided_by text not null,
    decided_at timestamptz not null default clock_timestamp(),
    primary key (tenant_id, seed_key),
    check ((decision = 'none') = (entity_id is null))
);
comment on table raw.match_decisions is
'One row per seed whose match a person decided; it outlives every re-run. details: what the person edited.';

create table raw.icp_evidence (
    tenant_id integer not null references raw.tenants on delete cascade,
    evidence_id bigint generated always as identity,
    company_id bigint not null references raw.companies,
    signal_key text not null,
    value_key text not null,
    value jsonb not null,
    source text not null check (source in ('user_site', 'seed_site', 'registry', 'crawl', 'intake')),
    source_name text,
    url text,
    snippet text,
    confidence double precision not null check (confidence between 0 and 1),
    observed_at timestamptz not null,
    content_hash text not null,
    primary key (tenant_id, evidence_id),
    unique (tenant_id, content_hash)
);
create index on raw.icp_evidence (tenant_id, company_id, signal_key);
comment on table raw.icp_evidence is
'One row per tenant and fact found about a company, with where it was found. content_hash is the natural key: company,
signal, value, source and url.';

create table raw.crawl_runs (
    tenant_id integer not null references raw.tenants on delete cascade,
    company_id bigint not null references raw.companies,
    domain text,
    profile text not null check (profile in ('nightly', 'interactive')),
    outcome text not null check (outcome in ('ok', 'degraded', 'blocked', 'failed', 'unresolved')),
    pages_fetched integer not null default 0,
    pages_cached integer not null default 0,
    bytes bigint not null default 0,
    evidence_items integer not null default 0,
    degraded_reasons text[] not null default '{}',
    crawled_at timestamptz not null,
    seconds double precision not null,
    run_id text,
    primary key (tenant_id, company_id)
);
comment on table raw.crawl_runs is
'One row per tenant and company: what the last crawl of its site came to, with every cap that bit and every reason.';

create table raw.company_enrichment_runs (
    tenant_id integer not null references raw.tenants on delete cascade,
    company_id bigint not null references raw.companies,
    state text not null check (state in ('queued', 'running', 'done', 'failed')),
    reason text not null,
    queued_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    filled text[] not null default '{}',
    degraded_reasons text[] not null default '{}',
    contacts integer not null default 0,
    seconds double precision,
    run_id text,
    primary key (tenant_id, company_id)
);
comment on table raw.company_enrichment_runs is
'One row per tenant and company to enrich: queued, or what came of it. The first ten are done at once, the
rest at night.';

create table raw.contacts (
    tenant_id integer not null references raw.tenants on delete cascade,
    contact_id bigint generated always as identity,
    company_id bigint not null references raw.companies,
    contact_key text not null,
    full_name text,
    title text,
    linkedin_url text,
    work_email text,
    email_status text not null check (email_status in ('none', 'unverified', 'verified', 'invalid')),
    source text not null,
    observed_at timestamptz not null,
    primary key (tenant_id, contact_id),
    unique (tenant_id, company_id, contact_key)
);
comment on table raw.contacts is
'One row per tenant and person at a company. Personal data: the pipeline alone reads it.';

create table raw.model_calls (
    call_id bigint generated always as identity primary key,
    tenant_id integer references raw.tenants on delete cascade,
    purpose text not null,
    model text not null,
    prompt_tokens integer,
    completion_tokens integer,
    cost_usd double precision,
    latency_ms double precision not null,
    outcome text not null check (outcome in ('ok', 'refused', 'truncated', 'filtered', 'invalid', 'failed', 'capped')),
    detail text,
    called_at timestamptz not null default clock_timestamp(),
    run_id text
);
create index on raw.model_calls (tenant_id, called_at);
comment on table raw.model_calls is
'One row per call of a language model. detail is redacted: no addresses, phone numbers or keys.';

create table raw.vendor_usage (
    tenant_id integer not null references raw.tenants on delete cascade,
    vendor text not null,
    day date not null,
    calls integer not null default 0,
    failures integer not null default 0,
    refused_by_cap integer not null default 0,
    cost_usd double precision not null default 0,
    primary key (tenant_id, vendor, day)
);
comment on table raw.vendor_usage is 'One row per tenant, vendor and UTC day: what was asked, and what a cap refused.';

create table raw.icp_flow (
    tenant_id integer primary key references raw.tenants on delete cascade,
    state text not null check (
        state in ('intake_saved', 'mapping', 'crawl', 'pattern_mining', 'suggestions_ready', 'failed')
    ),
    response_id bigint,
    since timestamptz not null default clock_timestamp(),
    intake_saved_at timestamptz,
    mapping_seconds double precision,
    message text
);
comment on table raw.icp_flow is 'One row per tenant with an intake: how far its way to suggestions has come.';

-- The way in for applications: icp_ops hand in payloads of their own tenant, and nothing else.
alter table raw.icp_intake_inbox enable row level security;
grant usage on schema raw to icp_ops;
grant select, insert on raw.icp_intake_inbox to icp_ops;
create policy icp_ops_reads on raw.icp_intake_inbox for select to icp_ops
using (tenant_id = (select access.current_tenant()));
create policy icp_ops_hands_in on raw.icp_intake_inbox for insert to icp_ops
with check (
    tenant_id = (select access.current_tenant())
    and processed_at is null and response_id is null and refused_because is null
);

-- What a source was loaded with besides its mapping: the paths and classification version of a registry, the version
-- of a code list, and the fingerprint of what was read last.
alter table raw.sources add column settings jsonb not null default '{}';
