"""A fetched page → what the extractors read: lines with their place on the page, scripts, hosts, structured data.

Each page is parsed once. Menus, cookie notices and code are no text of the page; footers are kept apart.
"""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Iterable
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

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_ATTRIBUTES = r'[^>"]*(?:"[^"]*"[^>"]*)*>'
_COMMENT = re.compile(r"<!--.*?(?:-->|$)", re.S)
_IMAGE = re.compile(r"<img\b" + _ATTRIBUTES, re.I)
_ALT = re.compile(r'\balt="([^"]{1,200})"')
_CONTACT = re.compile(r'<a\b[^>"]*(?:"[^"]*"[^>"]*)*?\bhref="((?:tel|mailto):[^"]{3,200})"' + _ATTRIBUTES)
_NEIGHBOURS = re.compile(
    r"</(?:span|strong|b|a|em|i|small|cite|label|button)>\s*<(?:span|strong|b|a|em|i|small|cite|label|button)\b"
    + _ATTRIBUTES
)
_HEADING = re.compile(r"<h[1-6]\b" + _ATTRIBUTES)
_ITEM = re.compile(r"<(?:li|dt|dd|td|th|option|figcaption)\b" + _ATTRIBUTES)
_ROW = re.compile(r"<tr\b" + _ATTRIBUTES)
_QUOTE = re.compile(r"<blockquote\b" + _ATTRIBUTES)
_BLOCK = re.compile(
    r"</?(?:p|div|li|ul|ol|dl|dt|dd|br|hr|h[1-6]|section|article|aside|main|header|footer|table|tbody|tr|td|th"
    r"|form|fieldset|option|select|figure|figcaption|address|details|summary|pre|button|label)\b" + _ATTRIBUTES
)
_ANY_TAG = re.compile(r"<[^<>]*>")
_TAG = re.compile(r"</?[a-zA-Z!]" + _ATTRIBUTES)
_NOT_TEXT = "script, style, noscript, svg, template, iframe, nav, [role=navigation], [hidden]"
_MENU = "nav, [role=navigation]"
_REACHABLE = re.compile(r"\d[\d ()-]{5,}|@")
_CONSENT = (
    "[class*=cookie], [id*=cookie], [class*=consent], [id*=consent], [class*=gdpr], [id*=onetrust], [class*=onetrust]"
)
_FOOTER = "footer, [role=contentinfo], #footer, .footer, .site-footer"
_TESTIMONIAL = "[class*=testimonial], [class*=quote], [class*=review]"
_HOST_IN_CODE = re.compile(r"(?:\\?/){2}([a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)+)", re.I)
_LEGAL = re.compile(r"privacy|cookie|terms|legal|gdpr|pdpa|data-protection|disclaimer|subprocessor|sub-processor", re.I)
_ARTICLE = re.compile(
    r"/(?:blog|blogs|news|press|articles?|insights?|posts?|resources?|magazine|stories/\d|20\d\d/)", re.I
)
_COMPARISON = re.compile(r"(?:^|[/_-])(?:vs|versus|compare|comparison|alternatives?)(?:[/_.-]|$)", re.I)
_MARKDOWN_LINK = re.compile(r"!?\[([^\[\]]{0,200})\]\([^()\s]{0,500}\)")
_MARKDOWN_IMAGE = re.compile(r"!\[(?:Image(?: \d+)?: ?)?([^\[\]]{0,200})\]\([^()\s]{0,500}\)")


@dataclass(frozen=True)
class Line:
    """One block of visible text.

    Attributes:
        quoted: it stands in a quotation or testimonial.
        heading: the nearest heading above, in lower case.
        row: number of the table row it stands in; 0 outside tables.
        contacts: ``tel:`` and ``mailto:`` addresses that its links lead to.
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
    path_and_title = f"{address.path} {page.title or ''}"
    flags = {
        "is_legal": bool(_LEGAL.search(path_and_title)),
        "is_article": bool(_ARTICLE.search(address.path + "/")),
        "is_comparison": bool(
            _COMPARISON.search(address.path) or re.search(r"\b(?:alternative|vs\.?|versus)\b", page.title or "", re.I)
        ),
    }
    if not source.strip() or is_nested_too_deep(source):
        text = page.text or _ANY_TAG.sub("\n", source)
        return Document(page, page.title or "", "", _reader_lines(text), [], frozenset(), (), "", "", (), [], **flags)
    tree = LexborHTMLParser(source)
    title = page.title or _text_of(tree.css_first("title"))
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
        **flags,
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
    footers = []
    for node in body.css(_FOOTER):
        if not _inside(node, ("blockquote", "figure", "article", "li")) and not _inside_footer(node):
            footers.append(node)
    below = "\n".join(node.html or "" for node in footers)
    for node in footers:
        node.decompose()
    return [*_split(body.html or "", "main"), *_split(below, "footer")], _split("\n".join(menus), "menu")


def _inside(node: LexborNode, tags: tuple[str, ...]) -> bool:
    parent = node.parent
    while parent is not None:
        if parent.tag in tags:
            return True
        parent = parent.parent
    return False


def _inside_footer(node: LexborNode) -> bool:
    parent = node.parent
    while parent is not None:
        attributes = parent.attributes if parent.is_element_node else {}
        names = (attributes.get("class") or "").split()
        if parent.tag == "footer" or attributes.get("id") == "footer" or "footer" in names or "site-footer" in names:
            return True
        parent = parent.parent
    return False


def _image_line(match: re.Match[str]) -> str:
    alt = _ALT.search(match[0])
    return f"\n\x05{alt[1]}\n" if alt else " "


def _split(source: str, zone: Zone) -> list[Line]:
    """Serialised HTML (attributes quoted, text escaped) → lines; control characters carry the marks over."""
    text = _COMMENT.sub("", source)
    text = _IMAGE.sub(_image_line, text)
    text = _CONTACT.sub(lambda match: f"\x06{match[1]}\x06", text)
    text = _NEIGHBOURS.sub("\n", text)
    text = _HEADING.sub("\n\x01", text)
    text = _ITEM.sub("\n\x02", text)
    text = _ROW.sub("\n\x07", text).replace("</table>", "\n\x08\n")
    text = _QUOTE.sub("\n\x03", text).replace("</blockquote>", "\x04\n")
    text = _TAG.sub("", _BLOCK.sub("\n", text))
    return _assemble(html.unescape(text)[:LONGEST_TEXT].split("\n"), zone)


def _assemble(raw: Iterable[str], zone: Zone) -> list[Line]:
    lines: list[Line] = []
    depth, heading, row, rows = 0, "", 0, 0
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
            contacts = [part for part in parts if part.startswith(("tel:", "mailto:"))]
            piece = " ".join(part for part in parts if not part.startswith(("tel:", "mailto:")))
        kind: Kind = "heading" if "\x01" in piece else "image" if "\x05" in piece else "text"
        if kind == "text" and "\x02" in piece:
            kind = "item"
        text = " ".join(_CONTROL.sub(" ", piece).split())[:LONGEST_LINE]
        if text or contacts:
            if kind == "heading":
                heading = text.lower()[:200]
            lines.append(Line(text, kind, zone, depth > 0, heading, tuple(contacts), words(text), row))
        depth = max(0, depth - closed)
    return lines


def _reader_lines(text: str) -> list[Line]:
    """Plain text, or the Markdown that reader services answer with."""
    raw = []
    for piece in _CONTROL.sub(" ", text[:LONGEST_TEXT]).split("\n"):
        mark, rest = "", piece.strip()
        if rest.startswith("#"):
            mark, rest = "\x01", rest.lstrip("# ")
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
