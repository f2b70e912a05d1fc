"""The gatherer as the environment sets it up: crawler, vendors and language model."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ingest.crawl.settings import CrawlSettings, ProfileName
from ingest.enrichment.settings import VendorSettings
from ingest.enrichment.tools import standard_tools
from ingest.gathering.gather import Gatherer, Progress
from ingest.models.settings import ModelSettings
from warehouse.connection import Warehouse

if TYPE_CHECKING:  # half a second of imports, for those who have a key
    from ingest.models.client import ModelClient


@contextmanager
def standard_gatherer(
    warehouse: Warehouse,
    *,
    now: dt.datetime,
    profile: ProfileName = "nightly",
    run_id: str | None = None,
    progress: Progress | None = None,
) -> Iterator[Gatherer]:
    """A gatherer with everything there are settings for.

    Raises:
        IngestError: a variable is not valid; says which.
    """
    crawling = CrawlSettings.from_environment()
    vendors = VendorSettings.from_environment()
    models = ModelSettings.from_environment()
    with warehouse.connect(autocommit=True, application="icp crawl: model calls") as log:

        @functools.cache
        def model_for(tenant_id: int) -> ModelClient:
            from ingest.models.client import ModelClient

            return ModelClient(models, log, tenant_id=tenant_id, run_id=run_id)

        yield Gatherer(
            warehouse,
            crawling,
            now,
            profile=profile,
            tools_on=lambda connection: standard_tools(
                warehouse, connection, profile=profile, now=now, settings=vendors, crawl_settings=crawling
            ),
            model_for=model_for if models.api_key else None,
            run_id=run_id,
            progress=progress,
        )
