-- Sources that are read again and again: what each said last of a lead, and up to where a query was read.

create table raw.lead_sources (
    tenant_id integer not null,
    lead_id bigint not null,
    source text not null,
    updated_at timestamptz,
    gone_at timestamptz,
    load_id bigint not null,
    primary key (tenant_id, lead_id, source),
    foreign key (tenant_id, lead_id) references raw.leads on delete cascade
);
comment on table raw.lead_sources is
'One row per lead and source whose mapping has updated_at or full_extract: the newest version of the lead that the
source sent, in which load it was last seen, and since when a full extract lacks it.';

alter table raw.activities add column updated_at timestamptz;
comment on column raw.activities.updated_at is
'Of the version that is here, where the source says so; an older one is ignored.';

alter table raw.loads add column rows_older bigint not null default 0;
alter table raw.loads add column rows_gone bigint not null default 0;
comment on column raw.loads.rows_older is 'Of the unchanged rows those that were older than what was known.';
comment on column raw.loads.rows_gone is 'Leads marked as deleted because this full extract lacked them.';

create table raw.source_watermarks (
    source text not null,
    entity text not null,
    fingerprint text not null,
    watermark bigint,
    waiting_from bigint,
    load_id bigint not null,
    primary key (source, entity)
);
comment on table raw.source_watermarks is
'One row per query with a watermark: the highest value that was read (dates and times in microseconds since 1970), and
the lowest of the rows that wait for a lead. Written with the rows. fingerprint: of the mapping it was read with.';
