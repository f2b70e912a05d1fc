"""Bytes as a server sends them → text: decompression that is bounded at every step, and character sets as browsers
guess them. Nothing here raises on any input."""

from __future__ import annotations

import codecs
import re
import zlib

_STEP = 65_536
# A gzip file may be several, one behind the other; a body of ten thousand empty ones is meant to cost time.
_MOST_MEMBERS = 16
_META = re.compile(rb"<meta[^>]{0,500}?charset\s{0,20}=\s{0,20}[\"']?\s{0,20}([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)
_XML = re.compile(rb"^\s{0,100}<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)
_HEADER = re.compile(r"charset\s{0,20}=\s{0,20}[\"']?\s{0,20}([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)
# Longest first: the mark of UTF-32 little-endian begins like that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# What the web calls these is a superset, as in the WHATWG's list of labels.
_SUPERSETS = {"iso8859-1": "cp1252", "ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030", "euc_kr": "cp949"}
# Codecs of Python that are no character sets of pages, or with which a page could hide markup.
_REFUSED = {"utf_7", "idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem", "palmos"}


class Inflater:
    """Decompresses a body as it arrives and stops at ``limit`` bytes of output, however much the input would become.

    Attributes:
        consumed: bytes of input that went into the output.
        full: the limit was reached; the rest is not decompressed.
        broken: the data are not what the header said; what was decompressed so far stands.
    """

    def __init__(self, encoding: str, limit: int) -> None:
        self._encoding = encoding
        self._limit = limit
        self._output = bytearray()
        self._decoder = None if encoding in ("", "identity") else zlib.decompressobj(wbits=47)
        self._raw = False
        self._members = 0
        self.consumed = 0
        self.full = False
        self.broken = False

    @staticmethod
    def knows(encoding: str) -> bool:
        """Whether this content encoding can be undone; we ask servers for no other."""
        return encoding in ("", "identity", "gzip", "x-gzip", "deflate")

    def feed(self, data: bytes) -> None:
        """Take in what has arrived."""
        if self._decoder is None:
            room = self._limit - len(self._output)
            self._output += data[:room]
            self.consumed += min(room, len(data))
            self.full = len(data) > room
            return
        while data and not self.full and not self.broken:
            rest = self._step(data)
            self.consumed += len(data) - len(rest)
            data = rest

    def body(self) -> bytes:
        """What has been decompressed."""
        return bytes(self._output)

    def _step(self, data: bytes) -> bytes:
        """Decompress a part; returns the input that is left."""
        assert self._decoder is not None
        room = self._limit - len(self._output)
        if room <= 0:
            self.full = True
            return data
        try:
            self._output += self._decoder.decompress(data, min(room, _STEP))
        except zlib.error:
            if self._output or self._encoding != "deflate" or self._raw:
                self.broken = True
                return b""
            # Some servers send deflate without its wrapper.
            self._raw = True
            self._decoder = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
            return data
        if self._decoder.eof:
            rest = self._decoder.unused_data
            self._members += 1
            if not rest.startswith(b"\x1f\x8b") or self._members >= _MOST_MEMBERS:
                return b""
            self._decoder = zlib.decompressobj(wbits=47)
            return rest
        return self._decoder.unconsumed_tail


def is_page(content_type: str | None) -> bool:
    """Whether a content type is that of pages; servers that name none mostly send pages."""
    kind = (content_type or "").split(";")[0].strip().lower()
    return kind in ("", "text/html", "application/xhtml+xml")


def decode(body: bytes, content_type: str | None) -> str:
    """A page's text by byte order mark, header, ``<meta>``, else UTF-8, else Windows-1252; wrong bytes are replaced.

    NUL becomes a space: no database column and no parser wants it.
    """
    for mark, marked in _MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(marked, "replace").replace("\x00", " ")
    head = body[:4096]
    header = _HEADER.search(content_type or "")
    meta = _META.search(head) or _XML.search(head)
    named = [header[1]] if header else []
    named += [meta[1].decode("ascii")] if meta else []
    for label in named:
        known = charset(label)
        if known is None:
            continue
        name = known
        # A page that says UTF-16 in ASCII is not; the bytes have no mark either.
        if name.startswith(("utf-16", "utf-32")) and (b"<" in head and b"\x00" not in head):
            continue
        # Two declarations that disagree: the one that fits the bytes.
        text = _strict(body, name)
        if text is not None:
            return text.replace("\x00", " ")
    text = _strict(body, "utf-8")
    if text is None:
        first = next((name for name in map(charset, named) if name and not name.startswith(("utf-16", "utf-32"))), None)
        # Mostly UTF-8 with a few broken bytes, or a single-byte set nobody declared.
        utf8 = body.decode("utf-8", "replace")
        few = utf8.count("\ufffd") * 50 < max(1, sum(byte > 127 for byte in body[:100_000]))
        text = utf8 if few else body.decode(first or "cp1252", "replace")
    return text.replace("\x00", " ")


def charset(label: str) -> str | None:
    """Python's name of a character set as pages name it; None where it is unknown or not to be used."""
    try:
        info = codecs.lookup(label.strip().lower())
    except (LookupError, ValueError):
        return None
    if not getattr(info, "_is_text_encoding", True) or info.name.replace("-", "_") in _REFUSED:
        return None
    return _SUPERSETS.get(info.name, info.name)


def _strict(body: bytes, name: str) -> str | None:
    try:
        return body.decode(name)
    except (UnicodeError, LookupError, ValueError):
        # cp1252 leaves five bytes undefined; browsers show them as control characters, and pages do hold them.
        return body.decode(name, "replace") if name == "cp1252" else None
