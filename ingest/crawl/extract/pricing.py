"""What a company says its product costs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ingest.crawl.extract.document import Document
from ingest.crawl.extract.text import excerpt
from ingest.evidence import EvidenceItem

MOST_PER_PAGE = 8
_MONEY = (
    r"(?:(?:S|US|A|HK|NZ|C|NT)?\$|€|£|RM\s?|Rp\.?\s?|₹|¥|฿|₱|(?:SGD|USD|EUR|GBP|MYR|IDR|AUD"
    r"|INR)\s?)\s?\d{1,3}(?:[,.]\d{3})*(?:\.\d{1,2})?k?"
)
_CURRENCY = re.compile(r"[$€£₹¥฿₱]|\b(?:RM|Rp|SGD|USD|EUR|GBP|MYR|IDR|AUD|INR)", re.I)
_PER = (
    r"(?:\s*(?:/|per|a|each)\s*(?:active\s+)?(?:user|seat|employee|agent|member|person|pax|month|mo|year|yr|annum"
    r"|week|day"
    r"|hour|hr|order|parcel|shipment|transaction|page|word|site|location|outlet|session|lesson|class|visit|night"
    r"|ticket|box|dozen|piece|pc|set|pack|bottle|kg|unit|item|room|trip|credit|minute|min|call)\b\.?)"
)
_PRICE = re.compile(
    rf"(?:\b(?:(?P<from>from|start(?:s|ing)? (?:at|from|with)|as little as)(?: an?| only| just)?"
    rf"|(?P<only>only)|(?P<charged>for|at|costs?|pays? us|charges?(?: [a-z]+)?|subscription (?:of|at)))\s+)?"
    rf"(?P<money>{_MONEY})(?!\d|\s*(?:[KMB]|bn|mm|[mb]illion)\b)(?P<per>{_PER}{{0,3}})"
    r"(?P<subscribed> subscription(?: price)?\b)?",
    re.I,
)
_RECURRING = re.compile(r"\b(?:user|seat|month|mo|year|yr|week|day|hour|hr|minute|min)\b", re.I)
_END_OF_SENTENCE = re.compile(r"[.!?]\s")
_QUOTE = re.compile(
    r"\b(?:contact (?:us|sales) for (?:a |an )?(?:quote|pricing|prices?)|custom (?:pricing|quote|plan)|get a (?:free"
    r" )?quote"
    r"|request a quote|ask for a quote|talk to sales|price on request|pricing on request|let'?s talk)\b",
    re.I,
)
_TRIAL = re.compile(r"\bfree (?:\d+[- ]day )?trial\b|\btry (?:it )?(?:for )?free\b|\bfree for \d+ days\b", re.I)
_FREEMIUM = re.compile(r"\bfree (?:plan|forever|tier)\b", re.I)
_NOT_A_PRICE = re.compile(
    r"\b(?:salary|wages?|allowance|grant|payouts?|funding|raised|revenue|saved|savings?|savings of|fine|penalt"
    r"|deposit of|subsid"
    r"|prize|donat|worth|million|billion|levy|earn|bonus|income|voucher|los(?:e|es|ing)\b|tuition|grow|grew|scal(?:e|ed|ing)\b"
    r"|ARR\b|MRR\b|GMV\b)\w*",
    re.I,
)


def find_pricing(documents: Sequence[Document]) -> list[EvidenceItem]:
    """Prices with their unit, and how prices are given (trial, free plan, quote). Salaries and grants are no prices."""
    items: list[EvidenceItem] = []
    for document in documents:
        page_type = document.page.page_type
        if (
            document.is_legal
            or document.is_article
            or document.is_comparison
            or page_type in ("careers", "customers", "about")
        ):
            continue
        on_pricing = page_type == "pricing"
        before = len(items)
        for line in document.main:
            if len(items) - before >= MOST_PER_PAGE or line.kind == "image":
                continue
            for match in _PRICE.finditer(line.text[:2_000]) if _CURRENCY.search(line.text) else ():
                if _NOT_A_PRICE.search(_sentence(line.text, match)) or not _is_price(match, on_pricing, line.quoted):
                    continue
                hint = _normalised(match)
                items.append(
                    _item(
                        hint,
                        document.page.url,
                        excerpt(line.text, match.start(), match.end()),
                        0.85 if on_pricing else 0.7,
                    )
                )
            if on_pricing:
                for pattern, hint in ((_QUOTE, "custom quote"), (_TRIAL, "free trial"), (_FREEMIUM, "free plan")):
                    if said := pattern.search(line.text[:500]):
                        items.append(_item(hint, document.page.url, excerpt(line.text, said.start(), said.end()), 0.75))
    return items


def _is_price(match: re.Match[str], on_pricing: bool, quoted: bool) -> bool:
    """On a page about prices a unit or a lead is enough; elsewhere a sum per month may be anybody's."""
    led = match["from"] or match["only"]
    if on_pricing:
        return bool(match["per"] or (led and not quoted))
    if led:
        return bool(match["per"] or not quoted)
    return bool((match["charged"] or match["subscribed"]) and not quoted and _RECURRING.search(match["per"]))


def _sentence(text: str, match: re.Match[str]) -> str:
    before = [end.end() for end in _END_OF_SENTENCE.finditer(text, 0, match.start())]
    after = _END_OF_SENTENCE.search(text, match.end())
    return text[before[-1] if before else 0 : after.start() if after else len(text)]


def _normalised(match: re.Match[str]) -> str:
    lead = "from " if match["from"] else ""
    unit = re.sub(r"\s*/\s*", " per ", match["per"])
    unit = re.sub(r"\s+(?:a|each)\s+", " per ", unit)
    unit = re.sub(
        r"\bmin\b\.?",
        "minute",
        re.sub(r"\bmo\b\.?", "month", re.sub(r"\byr\b\.?", "year", re.sub(r"\bhr\b\.?", "hour", unit))),
    )
    return " ".join(f"{lead}{match['money']}{unit}".split()).strip(" .")


def _item(hint: str, url: str, snippet: str, confidence: float) -> EvidenceItem:
    return EvidenceItem("pricing", hint.lower(), {"pricing_hint": hint}, url, snippet, confidence)
