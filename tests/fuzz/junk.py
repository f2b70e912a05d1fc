"""Bad input: texts that break programs, and ways to damage what was good. All of it from a given chance."""

from __future__ import annotations

import copy
import gzip
import random
from typing import Any

NUMBERS = (
    "1e400", "-1e400", "NaN", "nan", "inf", "-Infinity", "1,234.5", "1.234,5", "1 234", "--5", "+-5", "5-", "٣٤",
    "１２", "0x1F", "1_000", "1e", "1e5", ".", "-", "-0", "0.0000001", "1/2", "½", "²", "99999999999999999999",
    "9" * 400, "2147483648", "-2147483649", "9223372036854775808", "1.0", "1.00000", "007", "5 %", "€5", "1'000",
    "1e-400",
)  # fmt: skip
DATES = (
    "2025-02-29", "2024-02-29", "1900-02-29", "0000-01-01", "0001-01-01", "9999-12-31", "10000-01-01", "-001-01-01",
    "2026-13-01", "2026-01-32", "01.02.2026", "1/2/2026", "2026-01-01T25:00:00", "2026-01-01T23:59:60Z",
    "2026-01-01T10:00:00+26:00", "2026-01-01T10:00:00+99:99", "2026-01-01 10:00:00-25", "2026-03-29 02:30:00",
    "2026-10-25 02:30:00", "2026-03-29T02:30:00.123456789", "2026-01-01T10:00:00Z", "20260101", "2026-1-1",
    "1767225600", "1767225600000", "1e20", "-62135596801", "2026-01-01T10:00:00 Europe/Berlin", "today", "2026-W01",
    "01 Jan 2026", "262143-12-31", "999999-01-01", "2026-01-01T10:00:00+00:00:00", "٢٠٢٦-٠١-٠١", "2026–01–01",
)  # fmt: skip
TEXTS = (
    "", " ", "\x00", "a\x00b", "\t", "\x1f", "\x7f", "\x85", "\u2028", "\u00a0", "\ufeff", "\u200b", "\u202e",
    "\ufffd", "🚀", "👩‍👩‍👧‍👦", "e\u0301", "İ", "ß", "ﬀ", "𝕏", "Ω" * 300, "x" * 501, "x" * 6_000, "漢" * 200, "\uffff",
    "\U0010ffff", "'; drop table raw.tenants; --", "\" or ''='", "$$; select 1; $$", "%s", "%(tenant)s", "{0}",
    "{{ env_var('HOME') }}", "\\", "\\.", "\\N", "\\x00", "NULL", "null", "None", "na", "N/A", "-", "=1+1",
    "<script>alert(1)</script>", "../../etc/passwd", "/dev/zero", "C:\\", "true", "FALSE", "yes", "[]", "{}", "[",
    '{"a"', '{"a": NaN}', '{"a": "\\u0000"}', '{"a": "\\ud800"}', '{"timing": "x"}', '{"timing": 1e400}',
    '{"timing": {"timing": 1}}', '{"a":' * 500 + "1" + "}" * 500, "[" * 3_000, '{"timing": 3, "timing": 4}',
    "converted", "bounced", "email_sent", "meeting_booked", "Live Company",
)  # fmt: skip
CHARACTERS = "aZ09 ,;\t\"'\\\n\r\x00\x1a|:.-+é漢🚀\u202e\ufeff\u2028"
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 10**30, 1e308, -1e-308, "", [], {}, [[]], [None], [{}], {"": ""}, {"a": None},
    [[[[[[[[[[[[[[[1]]]]]]]]]]]]]]], [1, "a", None, {}], {"name": None}, {"text": 3}, ["a"] * 300,
    {"x": {"y": {"z": []}}},
)  # fmt: skip


def text(chance: random.Random) -> str:
    """A cell nobody expects."""
    kind = chance.random()
    if kind < 0.25:
        return chance.choice(NUMBERS)
    if kind < 0.5:
        return chance.choice(DATES)
    if kind < 0.8:
        return chance.choice(TEXTS)
    return "".join(chance.choices(CHARACTERS, k=chance.randrange(12)))


def value(chance: random.Random, depth: int = 3) -> Any:
    """Any JSON value."""
    kind = chance.random()
    if kind < 0.35:
        return text(chance)
    if kind < 0.7 or depth == 0:
        return copy.deepcopy(chance.choice(ODD))
    if kind < 0.85:
        return [value(chance, depth - 1) for _ in range(chance.randrange(4))]
    return {text(chance): value(chance, depth - 1) for _ in range(chance.randrange(4))}


def changed(chance: random.Random, good: Any, changes: int | None = None) -> Any:
    """A copy of something of dicts and lists with a few places changed, dropped, added, doubled or moved."""
    made = copy.deepcopy(good)
    for _ in range(changes or chance.randint(1, 4)):
        place = made
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = chance.choice(keys)
            inner = place[key]
            if isinstance(inner, dict | list) and inner and chance.random() < 0.6:
                place = inner
                continue
            action = chance.random()
            if action < 0.5:
                place[key] = value(chance)
            elif action < 0.65:
                del place[key]
            elif action < 0.75:
                place[key] = [inner]
            elif isinstance(place, dict):
                place[text(chance)] = value(chance)
            else:
                place.insert(chance.randrange(len(place) + 1), value(chance))
            break
    return made


def texts(content: Any) -> Any:
    """The same without halves of pairs, as far as text goes: what can be written to a file."""
    if isinstance(content, str):
        return content.encode("utf-8", "replace").decode()
    if isinstance(content, dict):
        return {texts(key): texts(inner) for key, inner in content.items()}
    return [texts(inner) for inner in content] if isinstance(content, list) else content


def damaged(chance: random.Random, good: bytes) -> bytes:
    """Bytes with a few places broken: cut, doubled, overwritten, put in, in another encoding, packed."""
    data = good
    for _ in range(chance.randint(1, 3)):
        data = chance.choice(_DAMAGES)(chance, data)
    return data


def _cut(chance: random.Random, data: bytes) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _drop(chance: random.Random, data: bytes) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + data[at + chance.choice((1, 2, 10, 200)) :]


def _double(chance: random.Random, data: bytes) -> bytes:
    at = chance.randrange(len(data) + 1)
    part = data[at : at + chance.choice((1, 5, 80, 1_000))]
    return data[:at] + part * chance.choice((2, 3, 20)) + data[at:]


def _overwrite(chance: random.Random, data: bytes) -> bytes:
    broken = bytearray(data)
    for _ in range(chance.choice((1, 3, 30))):
        if broken:
            broken[chance.randrange(len(broken))] = chance.randrange(256)
    return bytes(broken)


def _put_in(chance: random.Random, data: bytes) -> bytes:
    at = chance.randrange(len(data) + 1)
    piece = chance.choice(_PIECES) if chance.random() < 0.6 else text(chance).encode("utf-8", "surrogatepass")
    return data[:at] + piece * chance.choice((1, 1, 1, 2, 50)) + data[at:]


def _swap_lines(chance: random.Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    chance.shuffle(lines)
    return b"".join(lines)


def _reencoded(chance: random.Random, data: bytes) -> bytes:
    encoding = chance.choice(("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "latin-1", "cp037", "utf-7"))
    return data.decode("utf-8", "replace").encode(encoding, "replace")


def _other_ends(chance: random.Random, data: bytes) -> bytes:
    return data.replace(b"\n", chance.choice((b"\r\n", b"\r", b"\n\r", b"\r\r\n", b"\n\n", b"\x0b", b"\xc2\x85", b"")))


def _packed(chance: random.Random, data: bytes) -> bytes:
    return gzip.compress(data, 1)


_PIECES = (
    b"\x00", b"\xff", b"\xfe\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
    b"\x1a", b'"', b'""', b'"""', b"'", b",", b";", b"\t", b"|", b"\r", b"\n", b"\r\n", b"\\", b"#", b"PK\x03\x04",
    b"\x1f\x8b\x08", b"<", b"<!--", b"]]>", b"</script>", b"{", b"}", b"[", b"]", b":", b"&", b"*", b"- ", b"? ",
    b"!!python/object:os.system",
)  # fmt: skip
_DAMAGES = (
    _cut, _drop, _drop, _double, _double, _overwrite, _overwrite, _put_in, _put_in, _put_in, _put_in, _swap_lines,
    _reencoded, _other_ends, _packed,
)  # fmt: skip
