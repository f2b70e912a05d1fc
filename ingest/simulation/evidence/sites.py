"""The web pages of a simulated company: a small honest site whose wording varies from company to company.

Belongs here: HTML made from a company's facts. Every fact of the company stands on some page in words; some also as
JSON-LD or a script tag. Reproducible: the wording follows from the domain.
"""

from __future__ import annotations

import functools
import html
import json
import zlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from ingest.simulation.evidence import words
from ingest.simulation.evidence.classification import industries
from ingest.simulation.evidence.spec import Company

_PATHS: Final = {
    "about": ("/about", "/about-us", "/company"),
    "customers": ("/customers", "/case-studies", "/our-clients"),
    "integrations": ("/integrations", "/partners", "/integrations.html"),
    "careers": ("/careers", "/jobs", "/join-us"),
    "pricing": ("/pricing", "/plans", "/rates"),
    "contact": ("/contact", "/contact-us", "/contact.html"),
}
_LABELS: Final = {
    "about": ("About", "About us", "Who we are"),
    "customers": ("Customers", "Case studies", "Our clients"),
    "integrations": ("Integrations", "Partners & integrations", "Works with"),
    "careers": ("Careers", "Jobs", "Join us"),
    "pricing": ("Pricing", "Plans", "Rates"),
    "contact": ("Contact", "Contact us", "Get in touch"),
}
_SCRIPTS: Final = {
    "HubSpot": '<script src="https://js.hs-scripts.com/4400{number}.js" async></script>',
    "Google Analytics": '<script async src="https://www.googletagmanager.com/gtag/js?id=G-SIM{number}"></script>',
    "Intercom": '<script src="https://widget.intercom.io/widget/sim{number}"></script>',
    "Stripe": '<script src="https://js.stripe.com/v3/"></script>',
    "Zendesk": '<script src="https://static.zdassets.com/ekr/snippet.js?key=sim{number}"></script>',
    "Shopify": '<link rel="preconnect" href="https://cdn.shopify.com">',
}
_PRAISE: Final = (
    "They answer the phone, and the work is done when they say it is.",
    "We halved the time we spend on this in a quarter.",
    "The handover took two weeks and nobody missed a delivery.",
    "Reliable, plain-spoken, and fair about the price.",
    "Our team stopped chasing paper after the first month.",
)


class _Voice:
    """Chooses wordings for one company, always the same ones."""

    def __init__(self, company: Company) -> None:
        self.random = np.random.default_rng(zlib.crc32((company.domain or company.name).encode()))

    def one_of(self, options: Sequence[str]) -> str:
        return options[int(self.random.integers(len(options)))]

    def chance(self, share: float) -> bool:
        return bool(self.random.random() < share)


@functools.cache
def _titles() -> dict[str, str]:
    return {code.code: code.title for code in industries()}


def render(company: Company) -> dict[str, str]:
    """The pages of a company's site by path, the home page at ``/``; empty where it has no site."""
    if company.domain is None:
        return {}
    voice = _Voice(company)
    bodies = {
        "about": _about(company, voice),
        "customers": _customers(company, voice),
        "integrations": _integrations(company, voice),
        "careers": _careers(company, voice),
        "pricing": _pricing(company, voice),
        "contact": _contact(company, voice),
    }
    paths = {name: voice.one_of(_PATHS[name]) for name, body in bodies.items() if body}
    labels = {name: voice.one_of(_LABELS[name]) for name in paths}
    menu = "".join(f'<li><a href="{path}">{html.escape(labels[name])}</a></li>' for name, path in paths.items())
    pages = {"/": _page(company, _tagline(company), _home(company, voice), menu, _head(company, voice))}
    for name, path in paths.items():
        pages[path] = _page(company, labels[name], bodies[name], menu, "")
    return pages


def sitemap(company: Company, paths: Sequence[str]) -> str:
    """The sitemap of a site."""
    places = "".join(f"<url><loc>http://{company.domain}{path}</loc></url>" for path in paths)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{places}</urlset>'
    )


def _page(company: Company, title: str, body: str, menu: str, head: str) -> str:
    name = html.escape(company.name)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)} | {name}</title>'
        f'{head}</head>\n<body><header><a href="/">{name}</a><nav><ul>{menu}</ul></nav></header>\n'
        f"<main>{body}</main>\n<footer><p>&copy; {name} | Registration number {company.registration_number}</p>"
        "</footer></body></html>\n"
    )


def _trade(company: Company) -> str:
    title = _titles()[company.code]
    # "IT helpdesk outsourcing" keeps its capitals.
    return title if title[:2].isupper() else title[0].lower() + title[1:]


def _tagline(company: Company) -> str:
    return f"{_titles()[company.code]} in {company.city}"


def _home(company: Company, voice: _Voice) -> str:
    trade = _trade(company)
    opening = voice.one_of(
        (
            f"{company.name} is a {trade} company serving businesses across the region.",
            f"Since our first day we have done one thing: {trade}.",
            f"{_titles()[company.code]} for companies that would rather get on with their own work.",
            f"Looking for {trade}? You have come to the right place.",
        )
    )
    second = voice.one_of(
        (
            f"From a first call to the last invoice, our {trade} team stays the same.",
            f"Our clients come to us for {trade} and stay for the people.",
            f"We work in {trade} and say so plainly.",
        )
    )
    called = voice.one_of((f"{_titles()[company.code]} done well", "Good work, on time", f"Welcome to {company.name}"))
    return f"<h1>{html.escape(called)}</h1><p>{html.escape(opening)}</p><p>{html.escape(second)}</p>"


def _head(company: Company, voice: _Voice) -> str:
    parts = [f'<meta name="description" content="{html.escape(_tagline(company))} – {html.escape(company.name)}">']
    number = int(voice.random.integers(1_000, 9_999))
    for integration in company.integrations:
        if integration in _SCRIPTS and voice.chance(0.5):
            parts.append(_SCRIPTS[integration].format(number=number))
    if company.json_ld:
        data: dict[str, Any] = {
            "@context": "https://schema.org",
            "@type": "Organization",
            "name": company.name,
            "url": f"http://{company.domain}/",
            "numberOfEmployees": {"@type": "QuantitativeValue", "value": company.headcount},
            "address": {
                "@type": "PostalAddress",
                "addressLocality": company.city,
                "addressCountry": company.country,
            },
        }
        parts.append(f'<script type="application/ld+json">{json.dumps(data)}</script>')
    return "".join(parts)


def _about(company: Company, voice: _Voice) -> str:
    count = company.headcount
    people = voice.one_of(
        (
            f"Today we are a team of {count} people.",
            f"We employ {count} people.",
            f"Our {count} employees work from {company.city}.",
            f"With {count} staff we are large enough to deliver and small enough to care.",
        )
    )
    trade = _trade(company)
    story = voice.one_of(
        (
            f"We started in {trade} with two desks and a telephone.",
            f"{company.name} was founded to make {trade} less of a headache.",
            f"Our business is {trade}; it always was.",
        )
    )
    return (
        f"<h1>About {html.escape(company.name)}</h1><p>{html.escape(story)}</p><p>{html.escape(people)}</p>"
        f"<p>Our head office is in {html.escape(company.city)}.</p>"
    )


def _customers(company: Company, voice: _Voice) -> str:
    said = []
    for index, title in enumerate(company.titles):
        who = f"{voice.one_of(words.FIRST_NAMES)} {voice.one_of(words.SURNAMES)}"
        firm = company.customers[index % len(company.customers)]
        praise = _PRAISE[(index + company.headcount) % len(_PRAISE)]
        spelled = voice.one_of(words.SPELLINGS.get(title, (title,)))
        cite = voice.one_of((f"{who}, {spelled}, {firm}", f"{who}, {spelled} at {firm}", f"{spelled}, {firm}"))
        said.append(f"<blockquote><p>“{praise}”</p><cite>— {html.escape(cite)}</cite></blockquote>")
    heading = voice.one_of(("Trusted by", "Our customers", "Who we work for"))
    listed = "".join(f"<li>{html.escape(name)}</li>" for name in company.customers)
    return f"<h1>{heading}</h1><ul>{listed}</ul><h2>What they say</h2>{''.join(said)}"


def _integrations(company: Company, voice: _Voice) -> str:
    if not company.integrations:
        return ""
    names = company.integrations
    joined = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    sentence = voice.one_of(
        (
            f"We integrate with {joined}.",
            f"Our systems connect to {joined}, so nothing is typed twice.",
            f"Works with the tools you have: {joined}.",
            f"Orders and invoices flow between us and {joined}.",
        )
    )
    items = "".join(f"<li>{html.escape(name)} integration</li>" for name in names) if voice.chance(0.5) else ""
    return f"<h1>{voice.one_of(('Integrations', 'Works with your tools'))}</h1><p>{sentence}</p><ul>{items}</ul>"


def _careers(company: Company, voice: _Voice) -> str:
    if not company.hiring:
        return ""
    jobs = "".join(f"<li><h3>{job}</h3><p>Full time, {company.city}.</p></li>" for job in company.hiring)
    line = voice.one_of(("We are hiring.", "Open positions", "Come and work with us."))
    return f"<h1>Careers</h1><p>{line}</p><ul>{jobs}</ul>"


def _pricing(company: Company, voice: _Voice) -> str:
    if company.pricing is None:
        return ""
    line = voice.one_of(
        (f"Plans from ${company.pricing} a month.", f"Starting at S${company.pricing} per month.")
        + (f"Our rates begin at ${company.pricing}/month.",)
    )
    return f"<h1>Pricing</h1><p>{line}</p><p>No set-up fee. Cancel at the end of any month.</p>"


def _contact(company: Company, voice: _Voice) -> str:
    number = int(voice.random.integers(100, 999))
    street = voice.one_of(words.STREETS).title()
    return (
        f"<h1>Contact</h1><p>{html.escape(company.name)}<br>{number} {street}<br>{company.city}</p>"
        f'<p>E-mail <a href="mailto:info@{company.domain}">info@{company.domain}</a>, telephone +65 6000 0{number}</p>'
    )
