-- raw: what sources say of tenants, leads and outcomes, and how it was loaded. Read by the pipeline alone.
-- intermediate: what a run was asked for, and which version of each tenant's rows every relation holds.

create table raw.tenants (
    tenant_id integer generated always as identity primary key,
    external_id text not null unique,
    slug text not null unique check (slug ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    name text not null,
    timezone text not null,
    settings jsonb not null,
    simulated boolean not null default false,
    created_at timestamptz not null default now()
);
comment on table raw.tenants is
'One row per tenant (a "client" of the source systems). external_id is the application''s own id.
Simulated tenants never share learned aggregates with real ones.';

create table raw.sources (
    source text primary key,
    kind text not null check (kind in ('outcomes')),
    mapping_path text not null,
    registered_at timestamptz not null default now()
);
comment on table raw.sources is 'One row per mapping file that runs read again, by the name the mapping gives itself.';

create table raw.loads (
    load_id bigint generated always as identity primary key,
    source text not null,
    entity text not null,
    file text not null,
    checksum text not null,
    status text not null check (status in ('running', 'done', 'failed')),
    rows_read bigint not null default 0,
    rows_inserted bigint not null default 0,
    rows_updated bigint not null default 0,
    rows_unchanged bigint not null default 0,
    rows_rejected bigint not null default 0,
    rows_waiting bigint not null default 0,
    message text,
    run_id text,
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz
);
create index on raw.loads (source, entity, file, load_id desc);
comment on table raw.loads is
'One row per file and entity that was read. rows_waiting: rejected for want of a lead that may still come.';

create table raw.rejected_rows (
    source text not null,
    entity text not null,
    row_hash text not null,
    reason text not null,
    tenant_id integer,
    record_key text,
    file text not null,
    row_number bigint not null,
    content text not null,
    first_load_id bigint not null,
    last_load_id bigint not null,
    rejected_at timestamptz not null default clock_timestamp(),
    resolved_at timestamptz,
    resolved_because text,
    primary key (source, entity, row_hash)
);
create index on raw.rejected_rows (tenant_id, entity, record_key);
comment on table raw.rejected_rows is
'One row per source row that could not be loaded, with the reason in words. resolved_at is set once a good
row with the same key came in, or the file of that name came again without the row.';

create table raw.leads (
    tenant_id integer not null references raw.tenants on delete cascade,
    lead_id bigint generated always as identity,
    source_id text not null,
    created_at timestamptz,
    first_contact_at timestamptz,
    deleted_at timestamptz,
    title text,
    industry text,
    employee_count integer check (employee_count >= 0),
    country text,
    is_new_role boolean,
    is_hiring boolean,
    recently_funded boolean,
    attributes jsonb not null default '{}',
    load_id bigint not null,
    primary key (tenant_id, lead_id),
    unique (tenant_id, source_id)
);
comment on table raw.leads is
'One row per tenant and lead. No names, addresses or phone numbers: those belong in raw.people.';

create table raw.lead_status_events (
    tenant_id integer not null,
    lead_id bigint not null,
    occurred_at timestamptz not null,
    status text not null,
    load_id bigint not null,
    primary key (tenant_id, lead_id, occurred_at, status),
    foreign key (tenant_id, lead_id) references raw.leads on delete cascade
);
comment on table raw.lead_status_events is 'One row per status that a lead got, and when.';

-- Codes, because the touches of a warehouse are its largest table and two bytes are read ten million times.
create table raw.activity_kinds (
    kind smallint primary key,
    action text not null unique,
    channel text,
    is_touch boolean not null
);
insert into raw.activity_kinds (kind, action, channel, is_touch) values
(1, 'email_sent', 'email', true),
(2, 'sms_sent', 'sms', true),
(3, 'linkedin_sent', 'linkedin', true),
(4, 'voice_completed', 'voice', true),
(5, 'mail_sent', 'mail', true),
(6, 'replied', null, false),
(7, 'meeting_booked', null, false);
comment on table raw.activity_kinds is 'One row per kind of activity.';

create table raw.activities (
    tenant_id integer not null,
    activity_id bigint generated always as identity,
    source_id text not null,
    lead_id bigint not null,
    kind smallint not null check (kind between 1 and 7),  -- of activity_kinds; a foreign key costs a fifth of the load
    occurred_at timestamptz not null,
    content_snapshot jsonb,
    load_id bigint not null,
    primary key (tenant_id, activity_id),
    unique (tenant_id, source_id),
    foreign key (tenant_id, lead_id) references raw.leads on delete cascade
);
create index on raw.activities (tenant_id, lead_id, occurred_at, activity_id) include (kind);
comment on table raw.activities is 'One row per touch sent, reply or booked meeting.';

create table raw.lead_score_snapshots (
    tenant_id integer not null,
    lead_id bigint not null,
    scored_at timestamptz not null,
    origin text not null check (origin in ('source', 'warehouse')),
    data_quality smallint check (data_quality between 0 and 20),
    authority smallint check (authority between 0 and 25),
    company_fit smallint check (company_fit between 0 and 25),
    timing smallint check (timing between 0 and 15),
    risk smallint check (risk between 0 and 15),
    weight_data_quality double precision,
    weight_authority double precision,
    weight_company_fit double precision,
    weight_timing double precision,
    weights_version integer,
    score double precision,
    load_id bigint,
    primary key (tenant_id, lead_id, scored_at, origin),
    foreign key (tenant_id, lead_id) references raw.leads on delete cascade
);
comment on table raw.lead_score_snapshots is
'One row per scoring of a lead, append-only: the five components and the weights as they were then.
origin: the source''s own scoring, or this warehouse''s.';

create table intermediate.run_settings (
    only_row boolean primary key default true check (only_row),
    as_of date not null,
    tenant_ids integer[],
    run_id text
);
insert into intermediate.run_settings (as_of) values (current_date);
comment on table intermediate.run_settings is
'One row: the date up to whose end the world is known to the run, and the tenants it is about (null: all).
A table, not a dbt variable: a changed variable would force a full parse, and a clock in SQL cannot be replayed.';

create sequence intermediate.versions;
create table intermediate.tenant_versions (
    relation text not null,
    tenant_id integer not null,
    version bigint not null default 0,
    built_from text,
    built_as_of date,
    valid_until date,
    pending text,
    changed_at timestamptz not null default clock_timestamp(),
    primary key (relation, tenant_id)
);
comment on table intermediate.tenant_versions is
'One row per relation and tenant: the version of that tenant''s rows, raised whenever they change.
For what is computed also what it was built from, until which as-of date it stays right, and (pending, within
the building transaction) what it is being built from now.';

create function intermediate.touch(changed_relation text, tenant_ids integer[]) returns void
language sql
as $$
    insert into intermediate.tenant_versions (relation, tenant_id, version)
    select changed_relation, changed.tenant_id, nextval('intermediate.versions')
    from (select distinct unnest(tenant_ids) as tenant_id) as changed
    on conflict (relation, tenant_id) do update
    set version = excluded.version, changed_at = clock_timestamp()
$$;
comment on function intermediate.touch(text, integer[]) is 'Says that these tenants'' rows of a relation changed.';
