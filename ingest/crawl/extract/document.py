"""A fetched page → what the extractors read: lines with their place on the page, scripts, hosts, structured data.

Each page is parsed once. Menus, cookie notices and code are no text of the page; footers are kept apart.
"""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from ingest.crawl.extract import structured
from ingest.crawl.extract.text import Word, words
from ingest.crawl.nesting import is_nested_too_deep
from ingest.crawl.page import Page

Kind = Literal["heading", "item", "text", "image"]
Zone = Literal["main", "footer", "menu"]

# Caps: a page beyond them is cut, never refused.
LONGEST_HTML = 2_000_000
LONGEST_TEXT = 50_000
LONGEST_LINE = 5_000
LONGEST_SCRIPT = 300_000
MOST_FOOTERS = 50

# Where companies let others run their lists of open positions.
JOB_BOARDS = (
    *("greenhouse.io", "lever.co", "ashbyhq.com", "workable.com", "bamboohr.com", "personio.de", "personio.com"),
    *("teamtailor.com", "recruitee.com", "smartrecruiters.com", "breezy.hr", "jobvite.com", "icims.com", "taleo.net"),
    *("myworkdayjobs.com", "pinpointhq.com", "freshteam.com", "zohorecruit.com", "rippling.com", "join.com"),
    *("kekahire.com", "darwinbox.in", "oraclecloud.com", "successfactors.com", "applytojob.com", "homerun.co"),
)

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_ATTRIBUTES = r'[^>"]*(?:"[^"]*"[^>"]*)*>'
_COMMENT = re.compile(r"<!--.*?(?:-->|$)", re.S)
_IMAGE = re.compile(r"<img\b" + _ATTRIBUTES, re.I)
_ALT = re.compile(r'\balt="([^"]{1,200})"')
_CONTACT = re.compile(
    r'<a\b[^>"]*(?:"[^"]*"[^>"]*)*?\bhref="((?:tel|mailto):[^"]{3,200}|https?://[^/"]{0,60}(?:'
    + "|".join(re.escape(host) for host in JOB_BOARDS)
    + r')/[^"]{1,300})"'
    + _ATTRIBUTES
)
_LEADS = ("tel:", "mailto:", "http://", "https://")
_NEIGHBOURS = re.compile(
    r"</(?:span|strong|b|a|em|i|small|cite|label|button)>\s*<(?:span|strong|b|a|em|i|small|cite|label|button)\b"
    + _ATTRIBUTES
)
_HEADING = re.compile(r"<h[1-6]\b" + _ATTRIBUTES)
_ITEM = re.compile(r"<(?:li|dt|dd|td|th|figcaption)\b" + _ATTRIBUTES)
_ROW = re.compile(r"<tr\b" + _ATTRIBUTES)
_QUOTE = re.compile(r"<blockquote\b" + _ATTRIBUTES)
_BLOCK = re.compile(
    r"</?(?:p|div|li|ul|ol|dl|dt|dd|br|hr|h[1-6]|section|article|aside|main|header|footer|table|tbody|tr|td|th"
    r"|form|fieldset|figure|figcaption|address|details|summary|pre|button|label)\b" + _ATTRIBUTES
)
_ANY_TAG = re.compile(r"<[^<>]*>")
_TAG = re.compile(r"</?[a-zA-Z!]" + _ATTRIBUTES)
_NOT_TEXT = "script, style, noscript, svg, template, iframe, select, datalist, nav, [role=navigation], [hidden]"
_MENU = "nav, [role=navigation]"
_REACHABLE = re.compile(r"\d[\d ()-]{5,}|@")
_CONSENT = (
    "[class*=cookie], [id*=cookie], [class*=consent], [id*=consent], [class*=gdpr], [id*=onetrust], [class*=onetrust]"
)
_FOOTER = (
    "footer, [role=contentinfo], [id^=footer], [id$=footer], [class^=footer], [class*=' footer'], [class*=site-footer],"
    " [class*=page-footer], [class*=main-footer]"
)
_TESTIMONIAL = "[class*=testimonial], [class*=quote], [class*=review]"
_HOST_IN_CODE = re.compile(r"(?:\\?/){2}([a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)+)", re.I)
# Pages of law are named by these words and no others: "Privacy policy", "terms-of-use", but not "Legal translation".
_LEGAL_WORDS = """
privacy cookie cookies terms legal disclaimer gdpr pdpa dpa subprocessor subprocessors processors privacypolicy
cookiepolicy termsofservice termsofuse termsandconditions datenschutz datenschutzerklärung agb
"""
_BESIDE_LEGAL_WORDS = """
policy policies notice notices notes statement statements conditions of use service sale and the our your data
protection processing agreement addendum sub centre center information info website site for general rights mentions
légales aviso
"""
_LEGAL = frozenset(_LEGAL_WORDS.split())
_BESIDE_LEGAL = frozenset(_BESIDE_LEGAL_WORDS.split())
_ARTICLE = re.compile(
    r"/(?:blog|blogs|news|press|articles?|insights?|posts?|resources?|magazine|stories/\d|20\d\d/)", re.I
)
_INSTEAD = re.compile(r"\bversus\b|\bvs\b|\balternatives? to\b|(?-i:[A-Z])[\w.]* alternatives?\b", re.I)
_COMPARISON = re.compile(r"(?:^|[/_-])(?:vs|versus|compare|comparison|alternatives?)(?:[/_.-]|$)", re.I)
_MARKDOWN_LINK = re.compile(r"!?\[([^\[\]]{0,200})\]\([^()\s]{0,500}\)")
_MARKDOWN_IMAGE = re.compile(r"!\[(?:Image(?: \d+)?: ?)?([^\[\]]{0,200})\]\([^()\s]{0,500}\)")


@dataclass(frozen=True)
class Line:
    """One block of visible text.

    Attributes:
        quoted: it stands in a quotation or testimonial.
        heading: the nearest heading above and those that it stands under, in lower case: ``"integrations / slack"``.
        row: number of the table row it stands in; 0 outside tables.
        contacts: ``tel:`` and ``mailto:`` addresses and positions on job boards that its links lead to.
    """

    text: str
    kind: Kind
    zone: Zone
    quoted: bool
    heading: str
    contacts: tuple[str, ...]
    words: list[Word]
    row: int = 0

    @functools.cached_property
    def keys(self) -> frozenset[str]:
        """The distinct words."""
        return frozenset(word.key for word in self.words)


@dataclass(frozen=True)
class Document:
    """One page, parsed.

    Attributes:
        menu: lines of menus that hold a number or an address to write to, and of nothing else.
        hosts: of everything the page loads; what it merely links to is in ``links``.
        code: inline scripts, one after another.
        nodes: JSON-LD objects, flattened.
        is_legal: privacy, terms, cookies: products are named there as processors.
        is_article: blog and news: other companies are talked about.
        is_comparison: "alternative to" and "versus" pages.
    """

    page: Page
    title: str
    description: str
    lines: list[Line]
    menu: list[Line]
    hosts: frozenset[str]
    resources: tuple[str, ...]
    code: str
    generator: str
    links: tuple[str, ...]
    nodes: list[dict[str, Any]] = field(default_factory=list)
    is_legal: bool = False
    is_article: bool = False
    is_comparison: bool = False

    @functools.cached_property
    def main(self) -> list[Line]:
        """The lines outside the footer."""
        return [line for line in self.lines if line.zone == "main"]


def read(page: Page) -> Document:
    """Parse a page; never raises on what a site may send."""
    source = _CONTROL.sub(" ", page.html[:LONGEST_HTML])
    address = urlsplit(page.url) if _is_address(page.url) else urlsplit("")
    title = page.title or ""
    # The first page speaks of the company, whatever its title.
    flags = (
        {}
        if page.page_type == "home"
        else {
            "is_legal": _is_legal(address.path, title),
            "is_article": bool(_ARTICLE.search(address.path + "/")),
            "is_comparison": bool(_COMPARISON.search(address.path) or _INSTEAD.search(title)),
        }
    )
    if not source.strip() or is_nested_too_deep(source):
        text = page.text or _ANY_TAG.sub("\n", source)
        return Document(page, title, "", _reader_lines(text), [], frozenset(), (), "", "", (), [], **flags)
    tree = LexborHTMLParser(source)
    title = title or _text_of(tree.css_first("title"))
    metas = _metas(tree)
    resources, code, nodes = _loaded(tree)
    hosts = {host for address_ in resources if (host := _host(address_))}
    hosts.update(match.lower() for match in _HOST_IN_CODE.findall(code))
    links = tuple(href for node in tree.css("a[href]")[:3_000] if (href := (node.attributes.get("href") or "").strip()))
    lines, menu = _lines(tree)
    return Document(
        page=page,
        title=" ".join(title.split())[:300],
        description=" ".join(metas.get("description", metas.get("og:description", "")).split())[:1_000],
        lines=lines or _reader_lines(page.text),
        menu=menu,
        hosts=frozenset(hosts),
        resources=resources,
        code=code,
        generator=metas.get("generator", ""),
        links=links,
        nodes=nodes,
        **flags | ({"is_article": True} if page.page_type == "other" and _is_dated(metas, nodes) else {}),
    )


def _is_dated(metas: dict[str, str], nodes: Sequence[dict[str, Any]]) -> bool:
    """Whether a page says that it is a post or a piece of news."""
    return "article:published_time" in metas or any(
        not structured.types(node).isdisjoint({"newsarticle", "blogposting"}) for node in nodes
    )


def _is_legal(path: str, title: str) -> bool:
    """Whether a piece of the path, or of the title between dashes and bars, is the name of a page of law."""
    pieces = [*path.lower().split("/"), *re.split(r"\s[-–—|·:]\s|\|", title.lower())]
    return any(
        named and not _LEGAL.isdisjoint(named) and named <= _LEGAL | _BESIDE_LEGAL
        for piece in pieces
        if (named := set(re.split(r"[\W_]+", piece.removesuffix(".html"))) - {""})
    )


def _is_address(url: str) -> bool:
    try:
        urlsplit(url)
    except ValueError:
        return False
    return True


def _host(address: str) -> str | None:
    if not address.startswith(("//", "http:", "https:", "HTTP")):
        return None
    try:
        return (urlsplit(address).hostname or "").lower() or None
    except ValueError:
        return None


def _text_of(node: LexborNode | None) -> str:
    return (node.text() or "") if node is not None else ""


def _metas(tree: LexborHTMLParser) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in tree.css("meta[content]"):
        attributes = node.attributes
        name = (attributes.get("name") or attributes.get("property") or "").lower()
        if name and attributes.get("content"):
            found.setdefault(name, _CONTROL.sub(" ", attributes["content"] or ""))
    return found


def _loaded(tree: LexborHTMLParser) -> tuple[tuple[str, ...], str, list[dict[str, Any]]]:
    """Addresses that the page loads, its inline code, its structured data."""
    resources, code, nodes = [], [], []
    for node in tree.css("script"):
        attributes = node.attributes
        if attributes.get("src"):
            resources.append((attributes["src"] or "").strip())
        elif "json" in (attributes.get("type") or "").lower():
            nodes.extend(structured.objects(node.text() or "") if "ld+json" in (attributes.get("type") or "") else [])
        else:
            code.append(node.text() or "")
    for node in tree.css("link[href], iframe[src], img[src], form[action]"):
        attributes = node.attributes
        address = attributes.get("href") or attributes.get("src") or attributes.get("action") or ""
        if address and not address.startswith("data:"):
            resources.append(address.strip()[:1_000])
    return tuple(resources), "\n".join(code)[:LONGEST_SCRIPT], nodes


def _lines(tree: LexborHTMLParser) -> tuple[list[Line], list[Line]]:
    """The lines of the page, main part first, and those of its menus."""
    body = tree.body
    if body is None:
        return [], []
    menus = [node.html or "" for node in body.css(_MENU)[:20] if _REACHABLE.search(node.text() or "")]
    for node in body.css(_NOT_TEXT):
        node.decompose()
    for node in body.css(_CONSENT):
        if node.tag not in ("body", "html", "main") and len(node.text() or "") < 3_000:
            node.decompose()
    for node in body.css(_TESTIMONIAL)[:200]:
        if node.tag not in ("body", "html", "main", "blockquote", "q"):
            node.insert_before("\x03")
            node.insert_after("\x04")
    footers: dict[int, LexborNode] = {}
    for node in body.css(_FOOTER)[:MOST_FOOTERS]:
        if node.css_first("h1, main") is None and not _is_within(node, footers.keys()):
            footers[node.mem_id] = node
    below = "\n".join(node.html or "" for node in footers.values())
    for node in footers.values():
        node.decompose()
    return [*_split(body.html or "", "main"), *_split(below, "footer")], _split("\n".join(menus), "menu")


def _is_within(node: LexborNode, footers: Container[int]) -> bool:
    """Whether a node belongs to a footer already found, or is the foot of a quotation or card and no page's."""
    parent = node.parent
    while parent is not None:
        if parent.mem_id in footers or parent.tag in ("blockquote", "figure", "article", "li"):
            return True
        parent = parent.parent
    return node.tag in ("body", "html", "main", "a", "li")


def _image_line(match: re.Match[str]) -> str:
    alt = _ALT.search(match[0])
    return f"\n\x05{alt[1]}\n" if alt else " "


def _split(source: str, zone: Zone) -> list[Line]:
    """Serialised HTML (attributes quoted, text escaped) → lines; control characters carry the marks over."""
    text = _COMMENT.sub("", source)
    text = _IMAGE.sub(_image_line, text)
    text = _CONTACT.sub(lambda match: f"\x06{match[1]}\x06", text)
    text = _NEIGHBOURS.sub("\n", text)
    text = _HEADING.sub(lambda match: f"\n\x01{match[0][2]}", text)
    text = _ITEM.sub("\n\x02", text)
    text = _ROW.sub("\n\x07", text).replace("</table>", "\n\x08\n")
    text = _QUOTE.sub("\n\x03", text).replace("</blockquote>", "\x04\n")
    text = _TAG.sub("", _BLOCK.sub("\n", text))
    return _assemble(html.unescape(text)[:LONGEST_TEXT].split("\n"), zone)


def _assemble(raw: Iterable[str], zone: Zone) -> list[Line]:
    lines: list[Line] = []
    depth, row, rows = 0, 0, 0
    headings: list[tuple[int, str]] = []
    leading: list[str] = []  # a link around a block stands before it
    for piece in raw:
        if "\x07" in piece:
            rows += 1
            row = rows
        elif "\x08" in piece:
            row = 0
        opened, closed = piece.count("\x03"), piece.count("\x04")
        depth = min(depth + opened, 50)
        contacts: list[str] = []
        if "\x06" in piece:
            parts = piece.split("\x06")
            contacts = [part for part in parts if part.startswith(_LEADS)]
            piece = " ".join(part for part in parts if not part.startswith(_LEADS))
        level = 0
        if "\x01" in piece:
            at = piece.index("\x01") + 1
            level, piece = int(piece[at : at + 1] or 1), piece[: at - 1] + piece[at + 1 :]
        kind: Kind = "heading" if level else "image" if "\x05" in piece else "text"
        if kind == "text" and "\x02" in piece:
            kind = "item"
        text = " ".join(_CONTROL.sub(" ", piece).split())[:LONGEST_LINE]
        if text:
            contacts, leading = leading + contacts, []
        elif contacts and contacts[-1].startswith("http"):
            contacts, leading = [], contacts[-1:]
        if text or contacts:
            if level:
                headings = [(above, title) for above, title in headings if above < level]
                headings.append((level, text.lower()[:200]))
            heading = " / ".join(title for _, title in headings)
            lines.append(Line(text, kind, zone, depth > 0, heading, tuple(contacts), words(text), row))
        depth = max(0, depth - closed)
    return lines


def _reader_lines(text: str) -> list[Line]:
    """Plain text, or the Markdown that reader services answer with."""
    raw = []
    for piece in _CONTROL.sub(" ", text[:LONGEST_TEXT]).split("\n"):
        mark, rest = "", piece.strip()
        if rest.startswith("#"):
            mark, rest = f"\x01{min(len(rest) - len(rest.lstrip('#')), 6)}", rest.lstrip("# ")
        elif rest.startswith(("- ", "* ", "+ ", "• ")):
            mark, rest = "\x02", rest[2:]
        elif rest.startswith(">"):
            mark, rest = "\x03", rest.lstrip("> ") + "\x04"
        if rest.startswith("![") and (image := _MARKDOWN_IMAGE.fullmatch(rest)):
            mark, rest = "\x05", image[1]
        elif "](" in rest:
            rest = _MARKDOWN_LINK.sub(r"\1", rest)
        raw.append(mark + rest)
    return _assemble(raw, "main")
