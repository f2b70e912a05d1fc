"""What a language model reads beyond the rules: optional, capped, checked word by word against the page.

The model sees text without personal data. Nothing it says counts unless its snippet stands literally in that text and
the value stands in the snippet. What it alone read is marked, and no support: companies at large are read by rules.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import pydantic

from ingest.crawl.extract.document import Document, read
from ingest.crawl.extract.industry import IndustryVocabulary
from ingest.crawl.extract.merging import merge
from ingest.crawl.extract.people import band_of, band_text, function_of
from ingest.crawl.extract.places import locate
from ingest.crawl.extract.privacy import Redactor, redactor
from ingest.crawl.extract.products import product_named
from ingest.crawl.extract.titles import normalise_title
from ingest.crawl.extract.triggers import EVENTS
from ingest.crawl.page import Page
from ingest.evidence import EvidenceItem
from ingest.models.settings import ModelSettings
from models_py.matching.names import name_key

if TYPE_CHECKING:  # half a second of imports, for those who have a key
    from ingest.models.client import ModelClient

PURPOSE = "evidence extraction"
# A model that read it is never surer than a rule that proved it.
SUREST = 0.7
MOST_ITEMS = 40
_ORDER = ("about", "home", "customers", "integrations", "industries", "pricing", "careers", "contact", "other")
_INSTRUCTIONS = (
    "You read pages of one company's website and list facts about that company, for a sales team. Kinds of facts:"
    " industry"
    " (what the company itself does, in a few words), integration (a software product it uses or connects to, never a"
    " competitor), buyer_title (job titles of those who buy from it), headcount (how many people work there), location"
    " (a city or country where it has an office), customer (a company that buys from it), pricing (a price with its"
    " unit),"
    f" hiring (a job title it looks for), trigger (one of: {', '.join(EVENTS)}). value: as the page writes it, except"
    f" for"
    " trigger. snippet: the shortest passage that proves it, copied from the page character by character, at most 250"
    " characters. Leave out what the page does not say. Never name persons."
)


class ModelFact(pydantic.BaseModel):
    """One fact as the model states it."""

    model_config = pydantic.ConfigDict(extra="forbid")

    kind: Literal[
        "industry", "integration", "buyer_title", "headcount", "location", "customer", "pricing", "hiring", "trigger"
    ]
    value: str
    snippet: str
    confidence: float | None


class ModelFacts(pydantic.BaseModel):
    """The model's answer about one piece of text."""

    model_config = pydantic.ConfigDict(extra="forbid")

    facts: list[ModelFact]


@dataclass(frozen=True)
class ModelExtraction:
    """Evidence of rules and model together, and what is worth knowing about how it came about, in sentences."""

    items: list[EvidenceItem]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chunk:
    """A piece of a page's text."""

    url: str
    text: str


@dataclass(frozen=True)
class ReadableText:
    """What a model is to read of a site: small, where its pages are megabytes, and without personal data.

    Attributes:
        chunks: as many as may be read.
        pieces: how many there were.
        cleaner: takes personal data out of the answers too.
    """

    chunks: tuple[Chunk, ...]
    pieces: int
    cleaner: Redactor


def readable_text(pages: Sequence[Page], settings: ModelSettings) -> ReadableText:
    """The text of a site's pages, as much of it as a model may read."""
    documents = [read(page) for page in pages if page.outcome == "ok"]
    cleaner = redactor(documents)
    chunks = tuple(_chunks(documents, cleaner, settings.chunk_characters))
    return ReadableText(chunks[: settings.max_chunks], len(chunks), cleaner)


def model_extract(
    text: ReadableText,
    client: ModelClient | None,
    *,
    vocabulary: IndustryVocabulary,
    company_name: str | None,
    rule_items: Sequence[EvidenceItem],
    now: dt.datetime,
) -> ModelExtraction:
    """Add to the rules' evidence what a model reads on the same pages. Waits for the vendor.

    Args:
        client: None, or one without a key, leaves the rules' items as they are and says so.
        rule_items: what :func:`~ingest.crawl.extract.extract` gave for the pages that the text is of.
    """
    if client is None or not client.is_on:
        return ModelExtraction(list(rule_items), ("No model read the pages: OPENAI_API_KEY is not set.",))
    notes = []
    if text.pieces > len(text.chunks):
        notes.append(f"The model read {len(text.chunks)} of {text.pieces} pieces of text (LLM_MAX_CHUNKS).")
    found: list[EvidenceItem] = []
    dropped = 0
    for chunk in text.chunks:
        answer = client.ask(
            purpose=PURPOSE,
            schema=ModelFacts,
            instructions=_INSTRUCTIONS,
            text=f"Company: {text.cleaner.clean(company_name or 'unknown')}\nPage: {chunk.url}\n\n{chunk.text}",
            now=now,
        )
        if answer.value is None:
            notes.append(f"The model gave no facts ({answer.outcome}): {answer.detail}.")
            if answer.outcome in ("capped", "failed"):
                break
            continue
        for fact in answer.value.facts[:MOST_ITEMS]:
            item = _checked(fact, chunk, vocabulary, company_name)
            found += [item] if item else []
            dropped += item is None
    if dropped:
        notes.append(f"{dropped} of the model's facts were dropped: the page does not say so, or not in these words.")
    return ModelExtraction(_together(rule_items, merge(found, text.cleaner)), tuple(notes))


def _together(rule_items: Sequence[EvidenceItem], found: Sequence[EvidenceItem]) -> list[EvidenceItem]:
    """The rules' items as they are, and what only the model found; no second size of a company."""
    known = {(item.signal_key, item.value_key) for item in rule_items}
    sized = any(item.signal_key == "headcount" for item in rule_items)
    new = [
        replace(item, is_model_only=True)
        for item in found
        if (item.signal_key, item.value_key) not in known and not (sized and item.signal_key == "headcount")
    ]
    return sorted([*rule_items, *new], key=lambda item: (item.signal_key, -item.confidence, item.value_key))


def _chunks(documents: Sequence[Document], cleaner: Redactor, size: int) -> Iterator[Chunk]:
    """Pieces of text without personal data, the most telling pages first."""
    for document in sorted(documents, key=lambda document: _ORDER.index(document.page.page_type)):
        if document.is_legal or document.is_article:
            continue
        text = ""
        for line in document.lines:
            cleaned = cleaner.clean(line.text)[:size]
            if len(text) + len(cleaned) + 1 > size and text:
                yield Chunk(document.page.url, text)
                text = ""
            text += f"{cleaned}\n" if cleaned else ""
        if len(text) > 40:
            yield Chunk(document.page.url, text[:size])


def _checked(
    fact: ModelFact, chunk: Chunk, vocabulary: IndustryVocabulary, company_name: str | None
) -> EvidenceItem | None:
    """The fact as evidence, if the page bears it out; else None."""
    value, snippet = " ".join(fact.value.split()), fact.snippet.strip()
    if not value or len(value) > 120 or not 3 <= len(snippet) <= 600 or snippet not in chunk.text:
        return None
    if fact.kind not in ("industry", "trigger") and value.lower() not in " ".join(snippet.lower().split()):
        return None
    made = _evidence(fact.kind, value, vocabulary)
    if made is None or (fact.kind == "customer" and company_name and made[1] == name_key(company_name)):
        return None
    confidence = 0.5 if fact.confidence is None else min(max(fact.confidence, 0.0), 1.0)
    return EvidenceItem(made[0], made[1], made[2], chunk.url, snippet, round(confidence * SUREST, 3))


def _evidence(kind: str, value: str, vocabulary: IndustryVocabulary) -> tuple[str, str, dict[str, object]] | None:
    """Signal, key and value in the words of the rules, so that both are counted together."""
    if kind == "industry":
        code = vocabulary.best_code(value)
        if code is None:
            return None
        return (
            "ssic",
            code,
            {"ssic": code, "version": vocabulary.version, "title": vocabulary.titles[code], "term": value.lower()},
        )
    if kind == "integration":
        product = product_named(value)
        name, bucket = (product.name, product.bucket) if product else (value, "other")
        return "integration", name.lower(), {"integration": name, "bucket": bucket, "how": "named"}
    if kind == "buyer_title":
        title = normalise_title(value)
        return ("buyer_title", title.lower(), {"buyer_title": title}) if title else None
    if kind == "headcount":
        numbers = [int(number.replace(",", "")) for number in re.findall(r"\d{1,3}(?:,\d{3})+|\d{1,6}", value)]
        if not numbers or not all(1 <= number <= 500_000 for number in numbers[:2]):
            return None
        band = band_of(*numbers[:2])
        text = band_text(band)
        return "headcount", text, {"headcount_band": text, "low": band[0], "high": band[1]}
    if kind == "location":
        place = locate(value)
        return ("location", place.key, {"city": place.city, "country": place.country}) if place else None
    if kind == "customer":
        key = name_key(value)
        return ("customer", key, {"customer": value}) if key else None
    if kind == "hiring":
        function = function_of(value)
        return ("hiring", function.lower(), {"hiring": function, "title": value}) if function else None
    if kind == "trigger":
        return ("trigger", value.lower(), {"trigger": value.lower()}) if value.lower() in EVENTS else None
    return "pricing", value.lower(), {"pricing_hint": value}
