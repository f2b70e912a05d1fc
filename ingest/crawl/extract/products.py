"""Products a site runs on (detected in what the page loads or in links to its own place there) or works with (named).

The rules are data: ``products.yaml``. A name alone proves nothing: competitors, alternatives, processors of a privacy
policy and cookie notices are named too. Named products need a sentence or a heading that says they are used, sold with
or connected to.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

from ingest.crawl.extract.document import Document, Line
from ingest.crawl.extract.text import Lexicon, excerpt
from ingest.evidence import EvidenceItem

BUCKETS_WORDS = (
    "crm marketing ecommerce payments accounting support analytics cloud hr chat erp marketplace cms collaboration"
    " automation delivery scheduling security data advertising productivity booking"
)
BUCKETS = frozenset(BUCKETS_WORDS.split())
_LINKING = re.compile(
    r"\b(?:integrat\w*|connect(?:s|ed|or|ors|ion|ions|ing)?|sync(?:s|ed|ing|hronis\w*|hroniz\w*)?|works? with"
    r"|plugs? in(?:to)?|plug-?ins?|compatible with|partners?(?:hip)?|certified|reseller|powered by|built (?:on|with|in)"
    r"|runs? on|hosted (?:on|by|with)|import(?:s|ed)? (?:from|your)|export(?:s|ed)? to|tech(?:nology)? stack|our"
    r" stack|stack"
    r"|we (?:use|run|keep|build|deploy|work)|using|through|via|experience (?:with|in|of|using)|knowledge of|you know"
    r"|familiar(?:ity)? with|proficien\w+|(?:migrat\w+|moved) (?:\w+ ){0,4}to|add-?ons?|apps?|marketplaces?|order"
    r" (?:on|via|from|through)"
    r"|available on|sold on|find us on|sell on|pay (?:with|by|via)|payments? (?:with|by|via)|accept|book .{0,30} with"
    r"|implementation|look after|support for|deploys?|implements?|specialists?|experts?|consultants?|administrators?"
    r"|developers?|push(?:es)? (?:\w+ )?to|pull(?:s)? (?:\w+ )?from|posts? to|plays? well with)\b",
    re.I,
)
_AGAINST = re.compile(
    r"\b(?:alternatives?|vs\.?|versus|compar\w*|competitors?|unlike|instead of|better than|cheaper than|replac\w+"
    r"|rather than"
    r"|switch\w* from|switch\w* away|(?:leav(?:e|es|ing)|left) (?-i:[A-Z])\w*|ditch\w*|coming soon|on the roadmap"
    r"|migrat\w+ (?:off|from|away)|mov(?:e|ed|ing) (?:off|from|away)"
    r"|than|no longer|cookies?|processors?|subprocessors?|customers of|like \w+ but|used to work at|formerly (?:at"
    r"|of)|ex-)\b",
    re.I,
)
_LINK = re.compile(r"https?://([\w.-]{4,100})(?:/+([\w%.~-]{1,80}))?", re.I)
_JOINED = re.compile(r"\b(?:integrat|works? with|connects?|sync)", re.I)
# A page of no known type may speak of anybody: there, what is used must be used by "us", or by "you" who apply.
_OURS = re.compile(r"\b(?:we|our|us|you)\b", re.I)
_SENTENCE = re.compile(r"(?<=[.!?;])\s+(?=\W?[A-Z])")
# Pages of a vendor that are nobody's place there.
_OF_VENDOR_WORDS = """
www help support developer developers docs status blog app apps login account accounts community info go pages
marketing partners academy learn careers trust security static cdn assets pricing features about contact legal terms
privacy signup signin sign-up sign-in templates integrations enterprise product products home en
"""
_OF_VENDOR = frozenset(_OF_VENDOR_WORDS.split())
_ON_PAGE = re.compile(
    r"integrat|partner|connect|works with|plugin|app(?:s| store|lications)?\b|add-on|tech stack|tools", re.I
)


class Product(BaseModel):
    """One rule.

    Attributes:
        text: spellings in visible text, case-sensitive; the name itself is always one. ``[]`` with ``silent`` where the
            name is an everyday word.
        silent: the name alone is too common a word to look for.
        hosts: of scripts, styles, images, frames and forms the page loads; sub-domains count.
        links: where a link to a customer's own place tells: ``*.zendesk.com`` by its sub-domain,
            ``calendly.com`` by its path.
        paths: pieces of addresses the page loads.
        code: pieces of inline scripts, cookie names among them.
        generator: beginning of the generator meta tag.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    bucket: str
    text: tuple[str, ...] = ()
    silent: bool = False
    hosts: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    generator: str | None = None


@dataclass(frozen=True)
class _Rules:
    products: tuple[Product, ...]
    spoken: Lexicon[tuple[Product, str]]
    hosts: dict[str, Product]
    links: dict[str, Product]
    paths: re.Pattern[str]
    by_path: dict[str, Product]
    code: re.Pattern[str]
    by_code: dict[str, Product]


@functools.cache
def rules() -> _Rules:
    """The rule set, compiled once."""
    loaded = yaml.safe_load((Path(__file__).parent / "products.yaml").read_text(encoding="utf-8"))
    products = tuple(Product.model_validate(entry) for entry in loaded)
    assert {product.bucket for product in products} <= BUCKETS, "products.yaml names an unknown bucket"
    by_path = {piece: product for product in products for piece in product.paths}
    by_code = {piece: product for product in products for piece in product.code}
    return _Rules(
        products=products,
        spoken=Lexicon(
            (spelling, (product, spelling))
            for product in products
            if not product.silent
            for spelling in (product.name, *product.text)
        ),
        hosts={host: product for product in products for host in product.hosts},
        links={host: product for product in products for host in product.links},
        paths=_alternation(by_path),
        by_path=by_path,
        code=_alternation(by_code),
        by_code=by_code,
    )


def _alternation(pieces: dict[str, Product]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(piece) for piece in sorted(pieces, key=lambda piece: (-len(piece), piece))))


def find_products(documents: Sequence[Document]) -> list[EvidenceItem]:
    """One item per page and product."""
    items: list[EvidenceItem] = []
    for document in documents:
        found: dict[str, EvidenceItem] = {}
        for product, trace in _detected(document):
            found.setdefault(product.name, _item(product, "detected", document.page.url, trace, 0.95))
        for product, trace in _linked(document):
            found.setdefault(product.name, _item(product, "detected", document.page.url, trace, 0.85))
        for product, line, start, end, confidence in _named(document):
            known = found.get(product.name)
            if known is None or known.confidence < confidence:
                snippet = excerpt(line.text, start, end)
                found[product.name] = _item(product, "named", document.page.url, snippet, confidence)
        items.extend(found.values())
    return items


def detected_products(documents: Sequence[Document]) -> list[str]:
    """Names of the products the pages load or link to as their own, sorted: what the company's site runs on."""
    return sorted(
        {product.name for document in documents for find in (_detected, _linked) for product, _ in find(document)}
    )


def product_named(name: str) -> Product | None:
    """The product of the rule set that a name means, in whatever case it is written."""
    return _by_name().get(name.strip().lower())


@functools.cache
def _by_name() -> dict[str, Product]:
    return {spelling.lower(): product for product in rules().products for spelling in (*product.text, product.name)}


def _item(product: Product, how: str, url: str, snippet: str, confidence: float) -> EvidenceItem:
    value = {"integration": product.name, "bucket": product.bucket, "how": how}
    return EvidenceItem("integration", product.name.lower(), value, url, snippet, confidence)


def _detected(document: Document) -> Iterator[tuple[Product, str]]:
    known = rules()
    for host in sorted(document.hosts):
        labels = host.split(".")
        for cut in range(len(labels) - 1):
            if product := known.hosts.get(".".join(labels[cut:])):
                yield product, f"loads {host}"
                break
    for address in document.resources:
        for match in known.paths.finditer(address[:500]):
            yield known.by_path[match[0]], f"loads {address[max(0, match.start() - 40) : match.end() + 60]}"
    for match in known.code.finditer(document.code):
        yield known.by_code[match[0]], f"runs {match[0]}"
    if document.generator:
        for product in known.products:
            if product.generator and document.generator.lower().startswith(product.generator.lower()):
                yield product, f"generator {document.generator[:80]}"


def _linked(document: Document) -> Iterator[tuple[Product, str]]:
    """Products that the page links to the company's own place at: its help centre, its job board, its calendar."""
    if document.is_legal or document.is_article or document.is_comparison:
        return
    known = rules().links
    for address in dict.fromkeys(document.links):
        match = _LINK.match(address)
        if match is None:
            continue
        host, place = match[1].lower(), (match[2] or "").lower()
        label, _, parent = host.partition(".")
        if (product := known.get(host.removeprefix("www."))) and place and place not in _OF_VENDOR:
            yield product, f"links to {host}/{place}"
        elif (product := known.get(f"*.{parent}")) and label not in _OF_VENDOR:
            yield product, f"links to {host}"


def _named(document: Document) -> Iterator[tuple[Product, Line, int, int, float]]:
    if document.is_legal:
        return
    page_type, own = document.page.page_type, document.page.domain.split(".")[0]
    for line in document.lines:
        hits = list(_spelled(line))
        if not hits:
            continue
        apart = bool(_AGAINST.search(line.heading))
        listed = page_type == "integrations" and line.zone == "main"
        under = bool(_ON_PAGE.search(line.heading)) and line.zone == "main" and len(line.words) <= 8
        for product, start, end in hits:
            sentence = _sentence(line.text, start, end)
            joined = bool(_JOINED.search(sentence))
            if _is_own(product, own) or _AGAINST.search(sentence) or (apart and not joined):
                continue
            if (document.is_article or document.is_comparison or page_type == "customers") and not joined:
                continue
            cue = bool(_LINKING.search(sentence)) and (page_type != "other" or joined or bool(_OURS.search(sentence)))
            if listed and (len(line.words) <= 8 or cue):
                yield product, line, start, end, 0.9
            elif cue:
                yield product, line, start, end, 0.65 if page_type == "careers" else 0.8
            elif under:
                yield product, line, start, end, 0.75


def _sentence(text: str, start: int, end: int) -> str:
    """The sentence around a name; a name may end one."""
    first = max((match.end() for match in _SENTENCE.finditer(text, 0, start + 1) if match.end() <= start), default=0)
    last = _SENTENCE.search(text, end)
    return text[first : last.start() if last else len(text)]


def _is_own(product: Product, own: str) -> bool:
    """Whether a product is the site's own, by its domain: on dropbox.com Dropbox is nothing that is integrated."""
    letters = re.sub(r"[^a-z0-9]", "", product.name.lower())
    return letters == own or product.name.lower().split()[0].split(".")[0] == own


def _spelled(line: Line) -> Iterator[tuple[Product, int, int]]:
    for (product, spelling), start, end in rules().spoken.find(line.words):
        if line.text[start:end] == spelling or (line.text[start:end].isupper() and spelling == product.name):
            yield product, start, end
