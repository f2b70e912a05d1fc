"""Pages of a company → evidence about it: industry, products, customers, size, hiring, buyers, prices, places, events.

Rules only, pure and synchronous; ``model`` adds what a language model reads, where one is set. Not here: fetching
(``ingest.crawl``) and storing (``ingest.evidence``). Nothing personal leaves: see ``privacy``.
"""

from __future__ import annotations

from collections.abc import Sequence

from ingest.crawl.extract.customers import find_customers
from ingest.crawl.extract.document import Document, read
from ingest.crawl.extract.industry import IndustryCode, IndustryVocabulary, find_industries
from ingest.crawl.extract.merging import merge
from ingest.crawl.extract.model import ModelExtraction, ReadableText, model_extract, readable_text
from ingest.crawl.extract.people import find_buyer_titles, find_headcount, find_hiring
from ingest.crawl.extract.places import find_locations, locate
from ingest.crawl.extract.pricing import find_pricing
from ingest.crawl.extract.privacy import redactor
from ingest.crawl.extract.products import find_products
from ingest.crawl.extract.profile import CompanyProfile, profile
from ingest.crawl.extract.titles import normalise_title
from ingest.crawl.extract.triggers import find_triggers
from ingest.crawl.page import Page
from ingest.evidence import EvidenceItem

__all__ = [
    "CompanyProfile",
    "IndustryCode",
    "IndustryVocabulary",
    "ModelExtraction",
    "ReadableText",
    "extract",
    "locate",
    "model_extract",
    "normalise_title",
    "profile",
    "readable_text",
]


def extract(
    pages: Sequence[Page], *, vocabulary: IndustryVocabulary, company_name: str | None = None
) -> list[EvidenceItem]:
    """What the pages of one company say about it.

    Args:
        pages: pages that are not ok count for nothing.
        vocabulary: the industry classification to speak in; an empty one finds no industries.
        company_name: so that the company is not taken for its own customer.

    Returns:
        One item per signal and value with the page that states it best, sorted; the same pages give the same items.
    """
    documents = [read(page) for page in pages if page.outcome == "ok"]
    return merge(find_all(documents, vocabulary=vocabulary, company_name=company_name), redactor(documents))


def find_all(
    documents: Sequence[Document], *, vocabulary: IndustryVocabulary, company_name: str | None
) -> list[EvidenceItem]:
    """Everything the rules find, one item per page and fact."""
    return [
        *find_industries(documents, vocabulary),
        *find_products(documents),
        *find_customers(documents, company_name),
        *find_headcount(documents),
        *find_hiring(documents),
        *find_buyer_titles(documents, company_name),
        *find_pricing(documents),
        *find_locations(documents),
        *find_triggers(documents, company_name),
    ]
