"""Single answers as people write them → values: amounts, bands, days, web addresses, titles, tags, places.

Belongs here: pure parsers. Each raises ValueError with what is wrong and what it takes; the caller adds the path and
what was given. Not here: which field takes what (answers.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from ingest.domains import registrable_domain

LONGEST_TAG: Final = 200
MOST_TAGS: Final = 50
_LONGEST_VALUE: Final = 100
#: Lowest and highest head-count of the bands that evidence is counted in.
BANDS: Final[dict[str, tuple[int, int | None]]] = {
    "1-10": (1, 10),
    "11-50": (11, 50),
    "51-200": (51, 200),
    "201-500": (201, 500),
    "501-1000": (501, 1000),
    "1001-5000": (1001, 5000),
    "5001+": (5001, None),
}
_NOTHING: Final = {"", "-", "–", "—", "n/a", "na", "n.a.", "none", "null", "nil", "unknown", "tbd", "?"}
_SPACES: Final = re.compile(r"[\s\x00-\x1f\x7f]+")
_DASHES: Final = re.compile(r"\s*(?:[-–—‒−~]|\bto\b|\buntil\b)\s*")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def plain(value: Any, takes: str = "it takes a text") -> str:
    """A text without control characters and outer or double spaces; '' where it says nothing.

    Raises:
        ValueError: it is neither text nor a number.
    """
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(takes)
    text = _SPACES.sub(" ", str(value)).strip()
    return "" if text.lower() in _NOTHING else text


def _short(value: Any, takes: str) -> str:
    """As plain, for values that are never long: patterns are not tried on a page of digits."""
    text = plain(value, takes)
    if len(text) > _LONGEST_VALUE:
        raise ValueError(takes)
    return text


class Amount(NamedTuple):
    """Money; currency None where none was named."""

    amount: float
    currency: str | None


_SYMBOLS: Final = {
    **{"S$": "SGD", "SG$": "SGD", "US$": "USD", "A$": "AUD", "AU$": "AUD", "HK$": "HKD", "NT$": "TWD", "C$": "CAD"},
    **{"NZ$": "NZD", "RM": "MYR", "RP": "IDR", "RS": "INR", "RMB": "CNY", "€": "EUR", "£": "GBP", "¥": "JPY"},
    **{"₹": "INR", "฿": "THB", "₱": "PHP", "₫": "VND", "₩": "KRW", "$": "USD"},
}
_CURRENCIES: Final = frozenset(
    [*_SYMBOLS.values()]
    + ["CHF", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF", "AED", "SAR", "ZAR", "BRL", "MXN", "TRY", "BDT", "LKR", "PKR"]
)
_SCALES: Final = {"k": 1e3, "thousand": 1e3, "m": 1e6, "mn": 1e6, "mio": 1e6, "million": 1e6, "bn": 1e9, "b": 1e9}
_AMOUNT: Final = re.compile(
    r"^(?P<before>[^\d\s.,+-]{0,4})\s*(?P<number>\d[\d.,' ]*)\s*"
    r"(?P<scale>thousand|million|mio|mn|bn|k|m|b)?\s*(?P<after>[^\d\s.,+-]{0,4})$",
    re.IGNORECASE,
)
_PER: Final = re.compile(
    r"\s*(?:(?:/|\bper\b|\ba\b)\s*(?:year|yr|month|mo|annum)|\bp\.?a\.?|\bannually)\s*$", re.IGNORECASE
)
_ABOUT: Final = re.compile(r"^\s*(?:<=?|>=?|≤|≥|~|under|over|about|around|from|min(?:imum)?|at least|below)\s*", re.I)
_TAKES_AMOUNT: Final = "it takes an amount such as 25000, '10k', 'USD 25,000' or 'S$25k'"


def amount(value: Any) -> Amount | None:
    """``'S$25k'`` → 25000 SGD; None where nothing is said."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _checked(float(value), None)
    text = _ABOUT.sub("", _PER.sub("", _short(value, _TAKES_AMOUNT)))
    if not text:
        return None
    if text.startswith(("-", "−", "(")):
        raise ValueError(f"an amount is not negative; {_TAKES_AMOUNT}")
    found = _AMOUNT.match(text)
    if found is None:
        raise ValueError(_TAKES_AMOUNT)
    before, after = (found[name].upper().strip() for name in ("before", "after"))
    named = [_SYMBOLS.get(mark, mark) for mark in (before, after) if mark]
    if before and after and before != after and {before, after} & {"$"}:  # '$25,000 SGD'
        named = [_SYMBOLS.get(mark, mark) for mark in (before, after) if mark != "$"]
    unknown = [mark for mark in named if mark not in _CURRENCIES]
    if unknown or len(set(named)) > 1:
        raise ValueError(f"{' and '.join(unknown or named)} is not one currency; {_TAKES_AMOUNT}")
    scale = _SCALES[found["scale"].lower()] if found["scale"] else 1.0
    return _checked(_number(found["number"]) * scale, named[0] if named else None)


def is_currency(code: str) -> bool:
    """Whether it is the code of a currency that amounts can be in."""
    return code.upper() in _CURRENCIES


def currency(value: Any) -> str | None:
    """A currency as code: ``'S$'`` → SGD."""
    text = plain(value, "it takes the code of a currency, such as USD or SGD").upper()
    code = _SYMBOLS.get(text, text)
    if code and code not in _CURRENCIES:
        raise ValueError("it takes the code of a currency, such as USD or SGD")
    return code or None


def _checked(number: float, named: str | None) -> Amount:
    if number < 0:
        raise ValueError(f"an amount is not negative; {_TAKES_AMOUNT}")
    if not number <= 1e12:
        raise ValueError(f"that is more than a deal can be; {_TAKES_AMOUNT}")
    return Amount(round(number, 2), named)


def _number(text: str) -> float:
    """Digits with separators: a last group of three digits after the only kind of separator is thousands."""
    digits = re.sub(r"[' ]", "", text).rstrip(".,")
    if "," in digits and "." in digits:
        decimal = max(digits.rfind(","), digits.rfind("."))
        digits = re.sub(r"[.,]", "", digits[:decimal]) + "." + digits[decimal + 1 :]
    elif digits.count(",") + digits.count(".") > 1 or re.search(r"[.,]\d{3}$", digits):
        digits = re.sub(r"[.,]", "", digits)
    try:
        return float(digits.replace(",", "."))
    except ValueError as error:
        raise ValueError(_TAKES_AMOUNT) from error


class Range(NamedTuple):
    """A range of head-counts; high None: open."""

    low: int
    high: int | None


_PEOPLE: Final = re.compile(r"\b(?:employees?|people|persons?|staff|headcount|head|hc|fte|pax)\b\.?", re.IGNORECASE)
_TAKES_BAND: Final = "it takes a head-count range such as '50–200', '11 to 50', '<10' or '500+'"


def headcount(value: Any) -> Range | None:
    """``'50–200 employees'`` → 50 to 200; None where nothing is said."""
    text = _PEOPLE.sub("", _short(value, _TAKES_BAND)).strip().lower()
    text = re.sub(r"^(?:compan(?:y|ies)|firms?)\s+(?:with\s+)?", "", text)
    text = re.sub(r"(?<=\d)[,' ](?=\d{3}\b)", "", text)
    text = re.sub(r"(\d+(?:\.\d+)?)\s*k\b", lambda thousand: str(round(float(thousand[1]) * 1000)), text)
    if not text:
        return None
    made: Range | None = None
    if found := re.fullmatch(r"(\d{1,8})(?:" + _DASHES.pattern + r")(\d{1,8})", text):
        made = Range(int(found[1]), int(found[2]))
    elif found := re.fullmatch(r"(?:<|under|below|less than|fewer than)\s*(\d{1,8})", text):
        made = Range(1, int(found[1]) - 1)
    elif found := re.fullmatch(r"(?:<=|≤|up to|at most|max\.?)\s*(\d{1,8})", text):
        made = Range(1, int(found[1]))
    elif found := re.fullmatch(r"(?:>|over|above|more than)\s*(\d{1,8})", text):
        made = Range(int(found[1]) + 1, None)
    elif found := re.fullmatch(r"(?:>=|≥|from|at least|min\.?)\s*(\d{1,8})", text) or re.fullmatch(
        r"(\d{1,8})\s*(?:\+|and more|or more|and above)", text
    ):
        made = Range(int(found[1]), None)
    elif found := re.fullmatch(r"~?\s*(\d{1,8})", text):
        made = Range(int(found[1]), int(found[1]))
    if made is None or (made.high is not None and made.high < max(made.low, 1)):
        raise ValueError(_TAKES_BAND)
    return Range(max(made.low, 1), made.high)


def is_headcount(text: str) -> bool:
    """Whether a text is a head-count range and says so: ``<10 HC``, ``over 500 people``."""
    if not _PEOPLE.search(text):
        return False
    try:
        return headcount(text) is not None
    except ValueError:
        return False


def bands(low: int, high: int | None) -> tuple[str, ...]:
    """The bands that a range means: those it covers by half, else the one it overlaps most."""
    top = high if high is not None else 10**9
    overlap: dict[str, float] = {}
    for name, (first, last) in BANDS.items():
        end = last if last is not None else 10**9
        shared = min(top, end) - max(low, first) + 1
        if shared > 0:
            overlap[name] = shared / (end - first + 1)
    half = tuple(name for name, share in overlap.items() if share >= 0.5)
    if half:
        return half
    return (max(overlap, key=lambda name: min(top, BANDS[name][1] or 10**9) - max(low, BANDS[name][0])),)


_UNITS: Final = {"d": 1, "day": 1, "w": 7, "wk": 7, "week": 7, "m": 30, "mo": 30, "mth": 30, "month": 30}
_LONG_UNITS: Final = {"q": 91, "quarter": 91, "y": 365, "yr": 365, "year": 365}
_TAKES_DAYS: Final = "it takes a number of days from 1 to 3,650, such as 60, '60 days' or '2 months'"


def days(value: Any) -> int | None:
    """``'2 months'`` → 60; a range gives its middle; None where nothing is said."""
    text = re.sub(r"^(?:~|about|around)\s*", "", _short(value, _TAKES_DAYS).lower())
    if not text:
        return None
    found = re.fullmatch(r"(\d{1,5}(?:\.\d+)?)(?:" + _DASHES.pattern + r"(\d{1,5}(?:\.\d+)?))?\s*([a-z]+?)?s?\.?", text)
    unit = (_UNITS | _LONG_UNITS).get(found[3] or "day") if found else None
    if found is None or unit is None:
        raise ValueError(_TAKES_DAYS)
    first = float(found[1])
    number = round((first + float(found[2] or first)) / 2 * unit)
    if not 1 <= number <= 3_650:
        raise ValueError(_TAKES_DAYS)
    return number


# Places where companies have a page that is not their site.
_SHARED_HOSTS: Final = _words(
    "facebook.com fb.com linkedin.com instagram.com twitter.com x.com youtube.com tiktok.com wa.me whatsapp.com t.me"
    " linktr.ee medium.com github.com google.com gmail.com outlook.com yahoo.com carousell.sg shopee.sg lazada.sg"
    " wikipedia.org crunchbase.com"
)
_TAKES_WEBSITE: Final = "it takes the address of a company's own site, such as 'https://acme.com' or 'acme.com'"


def website(value: Any) -> str | None:
    """The registrable domain of a web address; None where nothing is said."""
    text = plain(value, _TAKES_WEBSITE)
    if not text:
        return None
    scheme = re.match(r"^([a-zA-Z][a-zA-Z0-9+.-]*):(?!\d)", text)
    if scheme and scheme[1].lower() not in ("http", "https"):
        raise ValueError(_TAKES_WEBSITE)
    domain = registrable_domain(text)
    if domain is None:
        raise ValueError(_TAKES_WEBSITE)
    return domain


def is_shared_host(domain: str) -> bool:
    """Whether a domain belongs to a platform on which companies have pages."""
    return domain in _SHARED_HOSTS


def tags(value: Any) -> list[str]:
    """A list of short texts, or one text with commas between them; empty ones dropped, repeats kept.

    Raises:
        ValueError: something else, too many, or one too long.
    """
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        value = re.split(r"[,;\n|]", str(value))
    if not isinstance(value, list | tuple):
        raise ValueError("it takes a list of texts, or one text with commas between them")
    if len(value) > MOST_TAGS:
        raise ValueError(f"it takes at most {MOST_TAGS} entries, and there are {len(value):,}")
    found = [plain(item) for item in value]
    if any(len(item) > LONGEST_TAG for item in found):
        raise ValueError(f"one entry is longer than {LONGEST_TAG} characters")
    return [item for item in found if item]


def distinct(items: Sequence[str]) -> list[str]:
    """Without repeats, by letters regardless of case; the first spelling stays."""
    seen: dict[str, str] = {}
    for item in items:
        seen.setdefault(item.casefold(), item)
    return list(seen.values())


_ACRONYMS: Final = {
    word.lower(): word
    for word in _words(
        "CEO CFO COO CTO CMO CIO CRO CPO CISO CHRO CSO CCO VP SVP EVP AVP HR IT PR QA GM MD SME B2B AI BI CRM ERP SEO"
        " UX UI EMEA APAC ASEAN R&D RevOps DevOps MarTech FinTech SaaS"
    )
}
_SMALL: Final = frozenset({"of", "and", "the", "for", "in", "to", "at", "de", "und"})


def job_title(text: str) -> str:
    """``head of sales`` → Head of Sales; acronyms and spellings with capitals inside stay."""
    words = re.split(r"([\s/,()-]+)", text)
    letters = [sum(map(str.isalpha, word)) for word in words]
    shouted = text.isupper() and sum(letters) > 5 and 1 not in letters  # "ABCD B" may be a name in its title
    return "".join(_title_word(word, first=index == 0, shouted=shouted) for index, word in enumerate(words))


def _title_word(word: str, *, first: bool, shouted: bool) -> str:
    lower = word.lower()
    if lower in _ACRONYMS:
        return _ACRONYMS[lower]
    if lower in _SMALL and not first:
        return lower
    if not shouted and any(letter.isupper() for letter in word[1:]):
        return word
    first_letter = word[:1].upper()
    return (first_letter if len(first_letter) == 1 else word[:1]) + (word[1:].lower() if shouted else word[1:])


_COUNTRIES: Final = {
    "SG": "singapore", "MY": "malaysia", "ID": "indonesia", "TH": "thailand", "VN": "vietnam|viet nam",
    "PH": "philippines|the philippines", "HK": "hong kong", "TW": "taiwan", "CN": "china", "JP": "japan",
    "KR": "south korea|korea", "IN": "india", "AU": "australia", "NZ": "new zealand", "US": "united states|usa|u.s.",
    "GB": "united kingdom|uk|great britain|england", "DE": "germany|deutschland", "FR": "france", "NL": "netherlands",
    "ES": "spain", "IT": "italy", "CH": "switzerland", "AT": "austria", "SE": "sweden", "NO": "norway",
    "DK": "denmark", "FI": "finland", "IE": "ireland", "PL": "poland", "PT": "portugal", "BE": "belgium",
    "CA": "canada", "MX": "mexico", "BR": "brazil", "AE": "united arab emirates|uae|dubai", "SA": "saudi arabia",
    "ZA": "south africa", "KH": "cambodia", "MM": "myanmar", "LA": "laos", "BN": "brunei", "LK": "sri lanka",
    "BD": "bangladesh", "PK": "pakistan",
}  # fmt: skip
_BY_NAME: Final = {name: code for code, names in _COUNTRIES.items() for name in names.split("|")}
_LANGUAGES: Final = {
    "english": "en", "chinese": "zh", "mandarin": "zh", "malay": "ms", "bahasa melayu": "ms", "tamil": "ta",
    "indonesian": "id", "bahasa indonesia": "id", "thai": "th", "vietnamese": "vi", "japanese": "ja", "korean": "ko",
    "hindi": "hi", "german": "de", "french": "fr", "spanish": "es", "portuguese": "pt", "italian": "it", "dutch": "nl",
    "arabic": "ar", "tagalog": "tl", "filipino": "tl", "cantonese": "yue",
}  # fmt: skip
_ZONES: Final = {
    "sgt": "Asia/Singapore", "myt": "Asia/Kuala_Lumpur", "wib": "Asia/Jakarta", "hkt": "Asia/Hong_Kong",
    "jst": "Asia/Tokyo", "ist": "Asia/Kolkata", "aest": "Australia/Sydney", "gmt": "UTC", "utc": "UTC",
    "cet": "Europe/Berlin", "est": "America/New_York", "pst": "America/Los_Angeles", "bst": "Europe/London",
    "ict": "Asia/Bangkok", "pht": "Asia/Manila",
}  # fmt: skip


def place(text: str) -> str:
    """A country as its two letters where it is known, else the text."""
    upper = text.upper()
    return upper if upper in _COUNTRIES else _BY_NAME.get(text.lower(), text)


def is_country(text: str) -> bool:
    """Whether it is one of the country codes that :func:`place` gives."""
    return text in _COUNTRIES


def language(text: str) -> str:
    """A language as its code where it is known (``en-SG`` as ``en``), else the text."""
    lower = text.lower()
    short = lower.split("-")[0].split("_")[0]
    if short in _LANGUAGES.values():
        return short
    return _LANGUAGES.get(lower, text)


def time_zone(text: str) -> str:
    """A time zone as its name where it is known (``SGT`` → Asia/Singapore, ``UTC+8`` → UTC+08:00), else the text."""
    if zone := _ZONES.get(text.lower()):
        return zone
    if found := re.fullmatch(r"(?:utc|gmt)\s*([+-])\s*(\d{1,2})(?::?(\d{2}))?", text.lower()):
        return f"UTC{found[1]}{int(found[2]):02d}:{found[3] or '00'}"
    return text


def industry_code(text: str) -> str:
    """The digits of an industry code at any level: ``SSIC 62.01-1`` → 62011.

    Raises:
        ValueError: not two to five digits.
    """
    code = re.sub(r"[\s.-]", "", re.sub(r"^(?:ssic|isic|nace|sic|code)[\s:#]*", "", text, flags=re.IGNORECASE))
    if not re.fullmatch(r"[0-9]{2,5}", code):
        raise ValueError("it takes industry codes of two to five digits, such as 62011 or '620'")
    return code
