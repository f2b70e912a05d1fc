"""Which facts follow from answers: evidence of the source ``intake``, on the tenant's own company.

Belongs here: answers → items. What a tenant says of its customers is less certain than what their sites and the
registry say, and what would merely help less than what must be.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from ingest.crawl.extract import normalise_title
from ingest.crawl.extract.products import Product, rules
from ingest.evidence import EvidenceItem
from ingest.intake import values
from ingest.intake.answers import Answers
from ingest.intake.fields import Band, Money

SAID: Final = 0.6
HOPED: Final = 0.4


def evidence_of(answers: Answers) -> list[EvidenceItem]:
    """The facts in answers, each once; what is wanted and what is ruled out alike."""
    found: dict[tuple[str, str], EvidenceItem] = {}
    for item in (*_wanted(answers), *_ruled_out(answers)):
        found.setdefault((item.signal_key, item.value_key), item)
    return list(found.values())


def budget_below(floor: Money) -> str:
    """A price floor as a theme: ``budget < USD 10,000``."""
    return f"budget < {floor.currency} {floor.amount:,.0f}"


def _wanted(answers: Answers) -> Iterator[EvidenceItem]:
    advanced = answers.advanced
    tools, firms, motion = advanced.technographics, advanced.firmographics, advanced.buying_motion
    for name in (*answers.must_have_integrations, *tools.must_have):
        yield _integration(name, SAID)
    for name in tools.nice_to_have:
        yield _integration(name, HOPED)
    for title in (*answers.champion_titles, *motion.champion_titles, *motion.decision_makers):
        same = normalise_title(title) or title  # as pages' titles are written, so that the two meet
        yield _item("buyer_title", same, {"buyer_title": same})
    for name in _band_names([answers.employee_band, *firms.employee_bands]):
        low, high = values.BANDS[name]
        yield _item("headcount", name, {"headcount_band": name, "low": low, "high": high})
    for place in (*answers.geo_language_tz.geo, *firms.geos):
        yield _item("location", place, {"country" if values.is_country(place) else "city": place})
    for event in (*answers.triggers, *advanced.triggers.events):
        yield _item("trigger", event, {"trigger": event})
    for job in advanced.triggers.hiring:
        yield _item("hiring", job, {"hiring": job})
    for industry in firms.industries:
        yield _item("theme", industry, {"theme": industry, "kind": "industry"})
    for reason in advanced.seed_customers.why_they_buy:
        yield _item("theme", reason, {"theme": reason, "kind": "positive"})


def _ruled_out(answers: Answers) -> Iterator[EvidenceItem]:
    advanced = answers.advanced
    anti = advanced.anti_icp
    yield from (_negative(customer.reason) for customer in answers.lost_or_churned if customer.reason)
    floor = answers.deal.price_floor or advanced.buying_motion.price_floor
    if floor is not None and floor.amount > 0:
        yield _negative(budget_below(floor), price_floor=floor.amount, currency=floor.currency)
    yield from (_negative(f"industry {code}", ssic=code) for code in anti.ssic_codes)
    yield from (_negative(f"industry: {industry}", industry=industry) for industry in anti.industries)
    for band in anti.employee_bands:
        yield _negative(f"{band.given} people", headcount_bands=list(band.bands))
    yield from (_negative(f"based in {place}", location=place) for place in anti.geos)
    for name in values.distinct([*anti.technologies, *advanced.technographics.excluded]):
        yield _negative(f"runs {name}", integration=name)
    yield from (_negative(flag) for flag in anti.red_flags)


@functools.cache
def _products() -> dict[str, Product]:
    """Products by every spelling, so that answers and pages write them the same way."""
    return {spelling.lower(): product for product in rules().products for spelling in (*product.text, product.name)}


def _integration(name: str, confidence: float) -> EvidenceItem:
    known = _products().get(name.lower())
    named = known.name if known else name
    value = {"integration": named, "bucket": known.bucket if known else "other", "how": "named"}
    return _item("integration", named, value, confidence=confidence)


def _band_names(bands: Sequence[Band | None]) -> Iterable[str]:
    return dict.fromkeys(name for band in bands if band is not None for name in band.bands)


def _negative(theme: str, **details: Any) -> EvidenceItem:
    return _item("theme", theme, {"theme": theme, "kind": "negative", **details})


def _item(signal: str, key: str, value: dict[str, Any], *, confidence: float = SAID) -> EvidenceItem:
    return EvidenceItem(signal, " ".join(key.lower().split()), value, confidence=confidence)
