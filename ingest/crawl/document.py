"""One HTML page, parsed once: title, visible text by blocks, links, and whether scripts alone would make it a page."""

from __future__ import annotations

import re
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser

from ingest.crawl.nesting import is_nested_too_deep
from ingest.crawl.urls import absolute

LONGEST_TEXT = 200_000
#: Pages are kept whole up to this; of longer ones (page builders) styles, images and long scripts are left out.
LONGEST_HTML = 250_000
_LONGEST_TITLE = 300
_MOST_LINKS = 3_000

_UNSEEN = ["script", "style", "noscript", "template", "svg", "iframe", "select", "datalist", "object", "canvas", "head"]
_HIDDEN = '[hidden], [style*="display:none"], [style*="display: none"]'
_INLINE = [
    *("a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "dfn", "em", "font", "i", "ins", "kbd"),
    *("label", "mark", "q", "s", "samp", "small", "span", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr"),
]
_WIDTHLESS = re.compile("[\u200b\u200c\u2060\ufeff\u00ad]")
_ROOT = re.compile(r"<div[^>]{0,200}\bid\s*=\s*[\"']?(root|app|__next|__nuxt|___gatsby|main-app)\b", re.IGNORECASE)
_MARKDOWN_LINK = re.compile(r"(?<!!)\[([^\[\]\n]{0,200})\]\((https?://[^\s()<>]{1,500})")


@dataclass(frozen=True)
class Link:
    """Where a page leads, in compared form, and the words it says so in."""

    url: str
    words: str


@dataclass(frozen=True)
class Document:
    """What the crawler takes from a page.

    Attributes:
        html: as it came, or without what is not text where it was very long.
        text: visible text, one line per block.
        is_script_only: there is next to no text, and scripts that would make some.
    """

    title: str | None
    text: str
    links: tuple[Link, ...]
    html: str
    is_script_only: bool


def read_document(html: str, url: str) -> Document:
    """Parse a page found at ``url``; any input gives a document, if an empty one."""
    # What would take seconds to parse is no page of a company: it is kept as an empty one.
    tree = LexborHTMLParser("" if is_nested_too_deep(html) else html)
    title = _title(tree)
    links = _links(tree, url)
    scripts = len(tree.css("script"))
    text = _text(tree)
    is_script_only = len(text) < 200 and (scripts >= 3 or (scripts >= 1 and bool(_ROOT.search(html[:200_000]))))
    return Document(title, text, links, keepable(html), is_script_only)


def markdown_links(text: str, base: str) -> tuple[Link, ...]:
    """Links in the Markdown that reader services give."""
    found: dict[str, Link] = {}
    for match in _MARKDOWN_LINK.finditer(text[:LONGEST_TEXT]):
        url = absolute(base, match[2])
        if url is not None and len(found) < _MOST_LINKS:
            found.setdefault(url, Link(url, _line(match[1])))
    return tuple(found.values())


def keepable(html: str) -> str:
    """The page as it is kept: whole if it is not very long, else without styles, drawings and the tails of scripts."""
    if len(html) <= LONGEST_HTML:
        return html
    if is_nested_too_deep(html[: 12 * LONGEST_HTML]):
        return html[:LONGEST_HTML]
    tree = LexborHTMLParser(html[: 12 * LONGEST_HTML])
    for node in tree.css("style, svg, noscript"):
        node.decompose()
    for node in tree.css("script"):
        # What a script loads and how it starts tells which product it is; organisation data are kept whole.
        kind = (node.attributes.get("type") or "").lower()
        inner = node.text() or ""
        if "json" not in kind and len(inner) > 500:
            node.inner_html = inner[:500].replace("<", " ")
    for node in tree.css('[src^="data:"], [srcset], [style]'):
        for name in ("srcset", "style"):
            if name in node.attributes:
                del node.attrs[name]
        if (node.attributes.get("src") or "").startswith("data:"):
            del node.attrs["src"]
    return (tree.html or "")[:LONGEST_HTML]


def _title(tree: LexborHTMLParser) -> str | None:
    node = tree.css_first("title")
    title = _line(node.text() or "")[:_LONGEST_TITLE] if node is not None else ""
    return title or None


def _links(tree: LexborHTMLParser, url: str) -> tuple[Link, ...]:
    base_node = tree.css_first("base[href]")
    base = absolute(url, base_node.attributes.get("href") or "") if base_node is not None else None
    found: dict[str, Link] = {}
    for node in tree.css("a[href], area[href]")[:_MOST_LINKS]:
        target = absolute(base or url, node.attributes.get("href") or "")
        if target is None:
            continue
        words = _line((node.text() or "")[:1000])[:200]
        words = words or _line(node.attributes.get("title") or node.attributes.get("aria-label") or "")[:200]
        known = found.get(target)
        if known is None or (not known.words and words):
            found[target] = Link(target, words)
    return tuple(found.values())


def _text(tree: LexborHTMLParser) -> str:
    """Visible text; takes the tree apart."""
    tree.strip_tags(_UNSEEN)
    for node in tree.css(_HIDDEN):
        if node.tag not in ("html", "body"):
            node.decompose()
    # Menus without a space between their entries are shown with one.
    for node in tree.css("a + a, button + button"):
        node.insert_before(" ")
    tree.unwrap_tags(_INLINE)
    tree.merge_text_nodes()
    body = tree.body
    if body is None:
        return ""
    # Line breaks within a text node are only where the author's editor wrapped it; between nodes they are blocks.
    raw = body.text(separator="\x1e")[: 2 * LONGEST_TEXT]
    lines = (_line(block) for block in raw.split("\x1e"))
    kept: list[str] = []
    for line in lines:
        if line and (not kept or kept[-1] != line):
            kept.append(line)
    return "\n".join(kept)[:LONGEST_TEXT]


def _line(text: str) -> str:
    """One line of single spaces."""
    if not text.isascii():
        text = _WIDTHLESS.sub("", text)
    return " ".join(text.split())
