"""What sites gave → evidence and what is said of the crawl: one transaction per site and tenant, counted in a report.

Where a language model reads along, a site waits for it in a thread: crawls share one event loop, and while that stands
still, the time of all sites in flight runs out. What waits is a site's text, not its pages. A site is marked as read
together with what was found, so that a killed run leaves those that waited due; their pages are in the cache.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING

import psycopg

from ingest.crawl.extract import IndustryVocabulary, ReadableText, extract, model_extract, readable_text
from ingest.crawl.settings import ProfileName
from ingest.crawl.site import SiteCrawl
from ingest.evidence import EvidenceItem, store_company_signals, store_evidence
from ingest.gathering.due import DueSite

if TYPE_CHECKING:
    from ingest.models.client import ModelClient

ModelFor = Callable[[int], "ModelClient"]
MODELS_AT_ONCE = 4


@dataclass
class GatherReport:
    """What a round of crawling came to.

    Attributes:
        outcomes: sites by outcome.
        items: facts that the sites gave.
        changed: rows of evidence written or deleted.
        notes: reasons and caps, by how many sites had them.
    """

    sites: int = 0
    background: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    pages_fetched: int = 0
    pages_cached: int = 0
    items: int = 0
    changed: int = 0
    notes: Counter[str] = field(default_factory=Counter)
    tenant_ids: set[int] = field(default_factory=set)

    def count(self, crawl: SiteCrawl, *, items: int, changed: int, notes: Sequence[str]) -> None:
        """Add one site."""
        self.outcomes[crawl.outcome] += 1
        self.pages_fetched += crawl.pages_fetched
        self.pages_cached += crawl.pages_cached
        self.items += items
        self.changed += changed
        self.notes.update(dict.fromkeys(notes, 1))


class Keeper:
    """Keeps what is found. A context manager: leaving it waits for the models, or drops what waits if something failed.

    Args:
        connection: in autocommit mode, used by nobody else meanwhile.
        report: is counted up.
        model_for: the language model that may read along for a tenant; None: rules only.
    """

    def __init__(
        self,
        connection: psycopg.Connection,
        *,
        report: GatherReport,
        vocabulary: IndustryVocabulary,
        now: dt.datetime,
        profile: ProfileName,
        model_for: ModelFor | None,
        run_id: str | None,
    ) -> None:
        self._connection = connection
        self._report = report
        self.vocabulary = vocabulary
        self._now = now
        self._profile = profile
        self._model_for = model_for
        self._run_id = run_id
        self._writing = threading.Lock()
        self._threads = ThreadPoolExecutor(MODELS_AT_ONCE, thread_name_prefix="model")
        self._waiting: list[Future[None]] = []

    def __enter__(self) -> Keeper:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.settle()
        finally:
            self._threads.shutdown(cancel_futures=True)

    def keep(self, site: DueSite, crawl: SiteCrawl) -> None:
        """Keep what a site gave, at once or when a model has read it. Never waits for a vendor."""
        items: list[EvidenceItem] = []
        if crawl.pages:
            items = extract(crawl.pages, vocabulary=self.vocabulary, company_name=site.name)
            client = self._model_for(site.tenant_id) if self._model_for is not None else None
            if client is not None and client.is_on:
                text = readable_text(crawl.pages, client.settings)
                told = replace(crawl, pages=())
                self._waiting.append(self._threads.submit(self._read_along, site, told, text, items, client))
                return
        self._write(site, crawl, items, crawl.degraded_reasons, was_read=bool(crawl.pages))

    def settle(self) -> None:
        """Wait until everything is kept; raises what went wrong on the way."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.result()

    def note_unresolved(self, site: DueSite, reason: str) -> None:
        """Note a company that no website is known of."""
        nothing = SiteCrawl("", (), "failed", (reason,), 0, 0, 0, 0.0)
        with self._writing, self._connection.transaction():
            self._write_run(site, nothing, items=0, notes=[reason], outcome="unresolved")
        self._report.outcomes["unresolved"] += 1
        self._report.notes[reason] += 1

    def _read_along(
        self, site: DueSite, crawl: SiteCrawl, text: ReadableText, items: list[EvidenceItem], client: ModelClient
    ) -> None:
        read = model_extract(
            text, client, vocabulary=self.vocabulary, company_name=site.name, rule_items=items, now=self._now
        )
        self._write(site, crawl, read.items, (*crawl.degraded_reasons, *read.notes), was_read=True)

    def _write(
        self,
        site: DueSite,
        crawl: SiteCrawl,
        items: Sequence[EvidenceItem],
        notes: Sequence[str],
        *,
        was_read: bool,
    ) -> None:
        """Evidence and what is said of the crawl, in one transaction."""
        changed = 0
        with self._writing:
            with self._connection.transaction():
                if was_read:  # a site that was down today said nothing against what it said before
                    changed += store_evidence(
                        self._connection,
                        tenant_id=site.tenant_id,
                        company_id=site.company_id,
                        source="user_site" if site.role == "own" else "seed_site",
                        items=items,
                        now=self._now,
                        replace=True,
                    )
                    # It may have been read before as a look-alike, and each fact counts once.
                    changed += store_evidence(
                        self._connection,
                        tenant_id=site.tenant_id,
                        company_id=site.company_id,
                        source="crawl",
                        items=[],
                        now=self._now,
                        replace=True,
                    )
                self._write_run(site, crawl, items=len(items), notes=notes, outcome=crawl.outcome)
            self._report.count(crawl, items=len(items), changed=changed, notes=notes)

    def _write_run(self, site: DueSite, crawl: SiteCrawl, *, items: int, notes: Sequence[str], outcome: str) -> None:
        self._connection.execute(
            "insert into raw.crawl_runs (tenant_id, company_id, domain, profile, outcome, pages_fetched, pages_cached,"
            " bytes, evidence_items, degraded_reasons, crawled_at, seconds, run_id)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " on conflict (tenant_id, company_id) do update set domain = excluded.domain, profile = excluded.profile,"
            " outcome = excluded.outcome, pages_fetched = excluded.pages_fetched,"
            " pages_cached = excluded.pages_cached, bytes = excluded.bytes, evidence_items = excluded.evidence_items,"
            " degraded_reasons = excluded.degraded_reasons, crawled_at = excluded.crawled_at,"
            " seconds = excluded.seconds, run_id = excluded.run_id",
            (site.tenant_id, site.company_id, site.domain, self._profile, outcome)
            + (crawl.pages_fetched, crawl.pages_cached, crawl.bytes)
            + (items, list(notes), self._now, crawl.seconds, self._run_id),
        )
        self._connection.execute("select intermediate.touch('raw.crawl_runs', array[%s]::int[])", (site.tenant_id,))


def keep_background(
    connection: psycopg.Connection,
    *,
    company_id: int,
    crawl: SiteCrawl,
    items: Sequence[EvidenceItem],
    now: dt.datetime,
    run_id: str | None,
) -> int:
    """Keep what a site of the background sample gave, and why it gave nothing; returns how many facts changed."""
    with connection.transaction():
        changed = 0
        if crawl.pages:
            changed = store_company_signals(connection, company_id=company_id, items=items, now=now)
        connection.execute(
            "insert into raw.background_crawls as known (company_id, domain, outcome, evidence_items,"
            " degraded_reasons, failures, crawled_at, run_id)"
            " values (%(company)s, %(domain)s, %(outcome)s, %(items)s, %(reasons)s, %(failed)s, %(now)s, %(run)s)"
            " on conflict (company_id) do update set domain = excluded.domain, outcome = excluded.outcome,"
            " evidence_items = excluded.evidence_items, degraded_reasons = excluded.degraded_reasons,"
            " failures = excluded.failures * (known.failures + 1), crawled_at = excluded.crawled_at,"
            " run_id = excluded.run_id",
            {
                "company": company_id,
                "domain": crawl.domain,
                "outcome": crawl.outcome,
                "items": len(items),
                "reasons": list(crawl.degraded_reasons),
                "failed": int(not crawl.pages),
                "now": now,
                "run": run_id,
            },
        )
    return changed
