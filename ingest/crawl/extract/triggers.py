"""Events that open a door: a new market, a new office, funding, a migration. The company's own, not its customers'."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ingest.crawl.extract.document import Document
from ingest.crawl.extract.text import excerpt
from ingest.evidence import EvidenceItem
from models_py.matching.names import name_key

_WHO = (
    r"(?:we(?:'ve|’ve|'re|’re)?(?: have| are)?(?: just| now| recently)?|the company(?: has| is)?|our team(?: has)?"
    r"|COMPANY(?: has| is)?)"
)
_MONEY = r"(?:US|S|A)?[$€£]\s?\d[\d.,]*\s?(?:m|mn|mil|million|k|bn|billion)?"
_EVENTS: tuple[tuple[str, str], ...] = (
    ("opening new market", rf"{_WHO} (?:expand(?:s|ed|ing)?|launch(?:es|ed|ing)?|enter(?:s|ed|ing)?)(?: our \w+)?(?:"
                           rf" operations| business)? (?:into|in|to) (?:the )?(?-i:[A-Z])"),
    ("opening new market", r"(?:now (?:live|available|operating)|launching) in (?-i:[A-Z])|\bmarket entry into"
                           r" (?-i:[A-Z])"),
    ("opening new market", r"\bplan(?:s|ning)? to (?:enter|expand (?:in)?to|launch in) (?:the )?(?-i:[A-Z])"),
    ("opening new office", rf"{_WHO} (?:open(?:s|ed|ing)?) (?:our|a|its|the)(?: \w+){{0,2}} (?:office|branch|outlet"
                           rf"|warehouse|factory|store|hub|plant)\b"),
    ("opening new office", r"\bour new(?:est)? (?:office|branch|outlet|warehouse|factory|hub|plant) (?:in|at)\b"
                           r"|\bmoved to (?:a )?(?:bigger|larger|new) (?:office|premises|headquarters)"),
    ("funding", rf"\b(?:{_WHO} )?(?:raised|raises|secured|secures|closed|closes|completed) (?:a |an |its |our"
                rf" )?(?:{_MONEY}|series [a-e]|seed|pre-seed)"),
    ("funding", r"\bseries [A-E] (?:round|funding|announcement)\b"),
    ("migration", rf"{_WHO} (?:migrat(?:ed|ing)|re-?platform(?:ed|ing)|moved|moving|switch(?:ed|ing)) (?:our |its "
                  rf"|all |everything |from |to )"),
    ("acquisition", rf"{_WHO} (?:acquired?|acquires|merged? with|merges with)\b|\b(?:has been|was) acquired by"
                    rf" (?-i:[A-Z])|\bjoins? the \w+ group\b"),
    ("new leadership", rf"{_WHO} (?:appoint(?:s|ed)|name[sd]|welcome[sd]?)\b.{{0,60}}\b(?:ceo|cfo|coo|cto|cmo|cro"
                       rf"|chief \w+ officer|managing director)\b"),
    ("product launch", rf"{_WHO} (?:launch(?:es|ed|ing)?|released?|unveil(?:s|ed)?) (?:our|a|an|the|its) (?:new|first"
                       rf"|next)\b"),
    ("rebranding", rf"{_WHO} (?:rebrand(?:s|ed|ing)?|(?:is|are) now called)\b|\bformerly known as (?-i:[A-Z])"),
    ("hiring", r"\b(?:we(?:'re|’re| are) (?:always |now |currently )?(?:hiring|growing fast|recruiting)|join our"
               r" growing team)\b"),
)  # fmt: skip
EVENTS = tuple(dict.fromkeys(event for event, _ in _EVENTS))
_OTHERS = re.compile(
    r"\b(?:help|helps|helping|helped|when|whether|if|clients?|customers?|companies|businesses|startups|you|your|after"
    r" they)\b",
    re.I,
)
_CUES = re.compile(
    r"expand|launch|enter|open|raise|secure|close|series|migrat|platform|moved|moving|switch|acqui|merge|appoint|name"
    r"|welcome|rebrand"
    r"|formerly|hiring|growing|recruiting|now live|now available|new office|new branch|joins",
    re.I,
)


def find_triggers(documents: Sequence[Document], company_name: str | None) -> list[EvidenceItem]:
    """One item per page and event."""
    items: list[EvidenceItem] = []
    for document in documents:
        if (
            document.is_legal
            or document.is_comparison
            or document.page.page_type in ("customers", "integrations", "pricing")
        ):
            continue
        patterns = _patterns(_names(document, company_name))
        found: set[str] = set()
        for line in document.main:
            text = line.text[:1_500]
            if line.quoted or len(line.words) < 3 or not _CUES.search(text):
                continue
            for event, pattern in patterns:
                if event in found or not (match := pattern.search(text)):
                    continue
                sentence = re.split(r"[.!?]\s", text[: match.start()])[-1]
                if _OTHERS.search(sentence):
                    continue
                found.add(event)
                confidence = 0.75 if line.kind == "heading" or document.is_article else 0.7
                items.append(
                    EvidenceItem(
                        "trigger",
                        event,
                        {"trigger": event},
                        document.page.url,
                        excerpt(text, match.start(), match.end()),
                        confidence,
                    )
                )
    return items


def _names(document: Document, company_name: str | None) -> str:
    """The company as its sentences call it: its name, its name without the legal form, its domain."""
    names = {document.page.domain.split(".")[0]}
    if company_name:
        names |= {company_name, name_key(company_name)}
    return "|".join(re.escape(name) for name in sorted(names, key=lambda name: (-len(name), name)) if len(name) > 2)


def _patterns(names: str) -> list[tuple[str, re.Pattern[str]]]:
    return [
        (
            event,
            re.compile(r"(?<!\w)(?:" + pattern.replace("COMPANY", f"(?:{names})" if names else "COMPANY") + ")", re.I),
        )
        for event, pattern in _EVENTS
    ]
