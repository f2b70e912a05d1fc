"""Addresses of pages: what they are compared by, which belong to a site, and which are traps."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit, urlunsplit

LONGEST_URL = 500
#: Where companies without a site of their own send visitors; nothing found there is about the company's site.
PLATFORMS = (
    *("facebook.com", "linkedin.com", "instagram.com", "twitter.com", "x.com", "youtube.com", "tiktok.com", "wa.me"),
    *(
        "linktr.ee",
        "google.com",
        "sedo.com",
        "godaddy.com",
        "hugedomains.com",
        "dan.com",
        "afternic.com",
        "whatsapp.com",
    ),
)
_TRACKING = re.compile(
    r"^(utm_.*|gclid|fbclid|msclkid|mc_[ce]id|_ga|_gl|_hs.*|hs[a-z]+|ref|referrer|source|src|sessionid|session_id|sid"
    r"|phpsessid|jsessionid|replytocom|share|print|cache|nocache|v|ver|t|ts|timestamp|amp)$",
    re.IGNORECASE,
)
_FILE = re.compile(
    r"\.(pdf|docx?|xlsx?|pptx?|zip|rar|gz|tgz|7z|exe|dmg|apk|jpe?g|png|gif|webp|svg|ico|bmp|avif|mp[34]|m4[av]|mov|avi"
    r"|webm|ogg|wav|css|js|mjs|json|xml|rss|atom|txt|csv|ics|vcf|woff2?|ttf|eot|map)$",
    re.IGNORECASE,
)
# Pages without end or without content: calendars, carts, searches, feeds, archives by date, logins.
_TRAP = re.compile(
    r"/(calendar|kalender|events?/\d{4}|\d{4}/\d{1,2}|cart|basket|checkout|my-account|account|log-?in|sign-?in|sign-?up"
    r"|register|wp-admin|wp-login|wp-json|xmlrpc|feed|search|tag|author|page/\d+|print)(/|$|\.)",
    re.IGNORECASE,
)
# Links that are in compared form as they stand: most of them, and ten times as fast to see as to make.
# One quantifier each: nested ones take for ever over addresses made for that.
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9/_~-]*(?:\.html?|\.php|\.aspx)?")
_PLAIN_URL = re.compile(r"https?://[a-z0-9.-]{4,253}" + _PLAIN_PATH.pattern)
_SAFE_PATH = "/%:@!$&'()*+,;=~-._"


def normalise(url: str, *, keep_query: bool = False) -> str | None:
    """The form in which an address is fetched and compared; None for what is not an http(s) address of a host.

    Lower-case scheme and host, no default port, fragment or credentials, escaped path without ``.`` and ``..``, and
    without parameters that only track. ``keep_query`` leaves the query as it is (redirects mean what they say).
    Raises nothing.
    """
    if len(url) > 4_000:
        return None
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host:
        return None
    ascii_host = _ascii(host.rstrip("."))
    if ascii_host is None:
        return None
    default = 443 if parts.scheme == "https" else 80
    netloc = ascii_host if port in (None, default) else f"{ascii_host}:{port}"
    try:
        path = quote(_without_dots(parts.path) or "/", safe=_SAFE_PATH, errors="replace")
        query = quote(parts.query if keep_query else _meaningful(parts.query), safe=_SAFE_PATH + "/?", errors="replace")
    except ValueError:
        return None
    return urlunsplit((parts.scheme, netloc, path, query, ""))


def _ascii(host: str) -> str | None:
    if ":" in host:
        return f"[{host}]" if re.fullmatch(r"[0-9a-f:.]+", host) else None
    try:
        text = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        return None
    return text.lower() if re.fullmatch(r"[A-Za-z0-9_.-]{1,253}", text) else None


def _without_dots(path: str) -> str:
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments[1:]:
        if segment == "..":
            kept = kept[:-1]
        elif segment != ".":
            kept.append(segment)
    end = "/" if segments[-1] in (".", "..") and kept and kept[-1] else ""
    return "/" + "/".join(kept) + end


def _meaningful(query: str) -> str:
    """The query without tracking parameters, in a fixed order; one of very many parameters is dropped whole."""
    if not query:
        return ""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=20)
    except ValueError:
        return ""
    return urlencode(sorted(pair for pair in pairs if not _TRACKING.match(pair[0])), errors="replace")


def absolute(base: str, link: str) -> str | None:
    """Where a link on a page leads, in compared form; None for ``javascript:``, ``mailto:``, ``tel:``, ``*``."""
    link = link.strip()
    if not link or link[0] in "#*" or len(link) > 2_000:
        return None
    if len(link) <= LONGEST_URL and _PLAIN_URL.fullmatch(link):
        return link
    if not link.startswith("//") and _PLAIN_PATH.fullmatch(link) and len(base) + len(link) <= LONGEST_URL:
        start = base.find("/", base.find("//") + 2)
        return (base if start < 0 else base[:start]) + link
    scheme = re.match(r"[\s\x00-\x20]*([A-Za-z][A-Za-z0-9+.-]*):", link)
    if scheme and scheme[1].lower() not in ("http", "https"):
        return None
    try:
        url = normalise(urljoin(base, link))
    except ValueError:
        return None
    return url if url is not None and len(url) <= LONGEST_URL else None


def host_of(url: str) -> str:
    """The host name of an address in compared form."""
    return urlsplit(url).hostname or ""


def origin_of(url: str) -> str:
    """Scheme, host and port: what a robots.txt speaks for."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def key_of(url: str) -> str:
    """What two addresses of one page share: scheme, ``www.`` and a slash or index file at the end do not matter."""
    parts = urlsplit(url)
    host = (parts.hostname or "").removeprefix("www.")
    path = re.sub(r"/(index|default|home)\.(html?|php|aspx?)$", "/", parts.path, flags=re.IGNORECASE).rstrip("/")
    return f"{host}{path}?{parts.query}" if parts.query else f"{host}{path}"


def belongs(url: str, domains: tuple[str, ...]) -> bool:
    """Whether an address is of one of these domains or below."""
    host = host_of(url)
    return any(host == domain or host.endswith("." + domain) for domain in domains)


def is_worth_fetching(url: str) -> bool:
    """False for files, endless or personal pages, and addresses that repeat themselves."""
    parts = urlsplit(url)
    if _FILE.search(parts.path) or _TRAP.search(parts.path):
        return False
    segments = [segment for segment in parts.path.split("/") if segment]
    return len(segments) <= 8 and all(segments.count(segment) < 3 for segment in segments)
