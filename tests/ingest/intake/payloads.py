"""Payloads of the specification, and mutations of them."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

FLAT: dict[str, Any] = {
    "website": "https://acmeanalytics.io",
    "best_customers": [
        {"name": "Supply59", "website": "https://supply59.com"},
        {"name": "GreenPack Pte Ltd", "website": "https://greenpack.sg"},
    ],
    "lost_or_churned": [{"name": "TinyMart", "website": "https://tinymart.sg", "reason": "budget too low"}],
    "employee_band": "50–200",
    "geo_language_tz": {"geo": "SG", "language": "en", "tz": "SGT"},
    "must_have_integrations": ["HubSpot", "Shopify"],
    "deal": {"acv_usd": 25000, "cycle_days": 60, "price_floor_usd": 10000},
    "champion_titles": ["Head of Sales", "RevOps"],
    "triggers": ["hiring RevOps", "opening new market", "Shopify migration"],
    "advanced": {"A_to_H": "..."},
}
NESTED: dict[str, Any] = {
    "answers": {
        "website": "https://acmeanalytics.io",
        "lost": [{"name": "Globex", "url": "https://globex.sg", "reason": "budget < $10k"}],
        "optional": {
            "geos": ["SG", "Malaysia"],
            "integrations": "HubSpot, Shopify",
            "acv": "20k",
            "cycle": "2 months",
            "price_floor": "S$5k",
            "champions": "head of sales, cto",
            "triggers": ["opening new market"],
        },
    },
    "seeds": [
        {"seed_name": "Supply59", "domain": "supply59.com"},
        {"seed_name": "Beta Logistics", "domain": "www.betalogistics.sg"},
    ],
}
_FULL: dict[str, Any] = {
    **FLAT,
    "advanced": {
        "A": {"company_name": "Acme", "employee_band": "<10"},
        "B": {"best_customers": ["Beta — beta.com"], "why_they_buy": ["speed"]},
        "C": {"ssic_codes": [62011], "employee_bands": ["<10"], "red_flags": ["tender only"]},
        "D": {"industries": ["retail"], "revenue_from": "1m"},
        "E": {"must_have": ["Xero"]},
        "F": {"decision_makers": "cfo", "acv": "10k"},
        "G": {"hiring": ["RevOps"]},
        "H": {"metrics": "30 %"},
    },
}
_ODD = st.sampled_from(
    [None, "", "\x00", "🚀", "x" * 6000, -1, 10**30, 1e308, True, [], {}, [[]], [None], [{}], {"name": None}]
    + ["javascript:alert(1)", "'; drop table raw.tenants; --", "\ud800", float("nan"), ["a", "A"], "1-", "n/a", 0]
    + [
        {"amount": "5", "currency": "doubloons"},
        {"low": "a"},
        "<5",
        "10,5,3",
        ["62011", 7],
        [[[[[[[[[[[[[[1]]]]]]]]]]]]]],
    ]
    + ["a;b;c", "Acme — acme.com (x)", {"other": 5}, {"other": {"a": 1}}, {"bands": ["x"]}]
) | st.text(max_size=30)


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A payload of the specification with one to four places changed, dropped or added."""
    payload = copy.deepcopy(draw(st.sampled_from([FLAT, NESTED, _FULL])))
    for _ in range(draw(st.integers(1, 4))):
        place: Any = payload
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            inner = place[key]
            if isinstance(inner, dict | list) and inner and draw(st.booleans()):
                place = inner
                continue
            action = draw(st.sampled_from(["change", "change", "drop", "add"]))
            if action == "change":
                place[key] = copy.deepcopy(draw(_ODD))
            elif action == "drop":
                del place[key]
            elif isinstance(place, dict):
                place[draw(st.text(max_size=8))] = copy.deepcopy(draw(_ODD))
            else:
                place.append(copy.deepcopy(draw(_ODD)))
            break
    return payload
