"""Events that open a door: a new market, a new office, funding, a migration. The company's own, not its customers'."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ingest.crawl.extract.document import Document
from ingest.crawl.extract.text import excerpt
from ingest.evidence import EvidenceItem
from models_py.matching.names import name_key

# Stands for every letter of the company's own name, so that one set of patterns serves all companies.
_OWN = "\ue000"
_WHO = (
    r"(?:we(?:'ve|’ve|'re|’re)?(?: have| are)?(?: just| now| recently)?|the company(?: has| is)?|our team(?: has)?"
    rf"|{_OWN}+(?: has| is)?)"
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
                rf" )?(?:{_MONEY}|series [a-e]|seed|pre-seed"
                rf"|\d[\d.,]* (?:m|mn|million|billion) (?:seed|series [a-e]))"),
    ("funding", r"\bseries [A-E] (?:round|funding|announcement)\b"),
    ("migration", rf"{_WHO} (?:migrat(?:ed|ing)|re-?platform(?:ed|ing)) (?:our |its |all |everything |from |to )"
                  rf"|{_WHO} (?:moved|moving|switch(?:ed|ing)) (?:\w+ ){{0,4}}(?:to|onto) (?:the cloud\b|(?-i:[A-Z]))"),
    ("acquisition", rf"{_WHO} (?:acquired?|acquires|merged? with|merges with)\b|\b(?:has been|was) acquired by"
                    rf" (?-i:[A-Z])|\bjoins? the \w+ group\b"),
    ("new leadership", rf"{_WHO} (?:appoint(?:s|ed)|name[sd]|welcome[sd]?)\b.{{0,60}}\b(?:ceo|cfo|coo|cto|cmo|cro"
                       rf"|chief \w+ officer|managing director)\b"),
    ("product launch", rf"{_WHO} (?:launch(?:es|ed|ing)?|released?|unveil(?:s|ed)?) (?:our|a|an|the|its) (?:new|first"
                       rf"|next)\b"),
    ("rebranding", rf"{_WHO} (?:rebrand(?:s|ed|ing)?|(?:is|are) now called)\b|\bformerly known as (?-i:[A-Z])"),
    ("hiring", r"\b(?:we(?:'re|’re| are) (?:always |now |currently )?(?:hiring|growing fast|recruiting)|now hiring"
               r"|join our growing team)\b"),
)  # fmt: skip
_PATTERNS = tuple((event, re.compile(rf"(?<!\w)(?:{pattern})", re.I)) for event, pattern in _EVENTS)
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
        names = _names(document, company_name)
        found: set[str] = set()
        for line in document.main:
            text = line.text[:1_500]
            if line.quoted or len(line.words) < 3 or not _CUES.search(text):
                continue
            veiled = _veiled(text, names)
            for event, pattern in _PATTERNS:
                if event in found or not (match := pattern.search(veiled)):
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


def _names(document: Document, company_name: str | None) -> list[str]:
    """The company as its sentences call it, in lower case: its name, that without the legal form, its domain."""
    names = {document.page.domain.split(".")[0]}
    if company_name:
        names |= {company_name.lower(), name_key(company_name)}
    return sorted((name for name in names if len(name) > 2), key=lambda name: (-len(name), name))


def _veiled(text: str, names: Sequence[str]) -> str:
    """The text with the company's names covered, letter by letter."""
    lower = text.lower()
    if len(lower) != len(text):  # a few letters of other scripts are two in lower case
        return text
    for name in names:
        at = lower.find(name)
        while at >= 0:
            end = at + len(name)
            if not (lower[at - 1 : at].isalnum() or lower[end : end + 1].isalnum()):
                text = text[:at] + _OWN * len(name) + text[end:]
            at = lower.find(name, end)
    return text
