"""How many people work there, whom the company looks for, and whose titles buy from it. Titles only, never names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from ingest.crawl.extract import structured
from ingest.crawl.extract.document import Document, Line
from ingest.crawl.extract.privacy import looks_like_name
from ingest.crawl.extract.text import excerpt, words
from ingest.crawl.extract.titles import find_titles, is_weak, normalise_title
from ingest.evidence import EvidenceItem
from models_py.matching.names import name_key

BANDS: tuple[tuple[int, int | None], ...] = (
    (1, 10),
    (11, 50),
    (51, 200),
    (201, 500),
    (501, 1000),
    (1001, 5000),
    (5001, None),
)
_NUMBER_WORDS = (
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen"
    " nineteen twenty"
)
_SPELT = {
    word: number
    for number, word in enumerate(
        _NUMBER_WORDS.split(),
        start=2,
    )
} | {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "a hundred": 100}
_NUMBER = r"(\d{1,3}(?:,\d{3})+|\d{1,6}|" + "|".join(_SPELT) + r")\b(?P<more>\+?)"
_STAFF = (
    r"(?:full[- ]time |dedicated |experienced |skilled |passionate |talented |in-house |professional )?"
    r"(?:employees|staff|staff members|team members|people|professionals|specialists|engineers|consultants|experts"
    r"|colleagues|associates|crew|workers|teammates|designers|developers)"
)
_ABOUT = (
    r"(?:about|around|over|more than|nearly|almost|some|approximately|just|now|only|under|fewer than|less than|up to"
    r"|[~<])?\s*"
)
_MORE_THAN = re.compile(r"\b(?:over|more than)\s*$", re.I)
_NOT_STAFF = (
    r"(?:customers|users|members|partners|suppliers|dealers|investors|visitors|vendors|distributors|subscribers"
    r"|followers|merchants"
    r"|servers|computers|printers|containers|trailers|offers|centers|numbers|papers|trainers|retailers|restaurants"
    r"|participants"
    r"|tenants|applicants|winners|sponsors|donors|volunteers|readers|listeners|years|orders|layers|factors|sectors"
    r"|floors|doors"
    r"|sensors|motors|plants|colors|flavors|variants|importers|exporters|manufacturers|wholesalers|brokers|carriers"
    r"|founders)"
)
_HEADCOUNT = (
    (re.compile(rf"\b(?:team|crew|staff|workforce|practice|firm) of {_ABOUT}{_NUMBER}", re.I), 0.8),
    (re.compile(rf"\b(?:a|our|an)\s+{_NUMBER}[- ](?:strong|person|people|man|member)\b", re.I), 0.8),
    (re.compile(rf"(?<![\w$€£-]){_NUMBER}[- ]person (?:team|company|startup|studio|agency|firm)\b", re.I), 0.8),
    (
        re.compile(
            rf"\b(?:team|company|startup|staff) (?:is|has) {_ABOUT}{_NUMBER}\s+(?:people|employees|strong)", re.I
        ),
        0.8,
    ),
    (re.compile(rf"\b(?:employs?|employing|headcount of|grown to|grew to)\s+{_ABOUT}{_NUMBER}", re.I), 0.8),
    (re.compile(rf"\b(?:we(?:'re|’re| are| have)(?: now)?|our)\s+{_ABOUT}{_NUMBER}\s+{_STAFF}", re.I), 0.8),
    (re.compile(rf"\b(?:now|are|we're|we’re)\s+{_NUMBER}[- ]strong\b", re.I), 0.75),
    (re.compile(rf"\b[Oo]ur\s+{_NUMBER}\s+(?!{_NOT_STAFF}\b)[a-z]+(?:ists|ers|eers|ors|icians|ants)\b"), 0.6),
    (
        re.compile(rf"(?<![\w$€£-]){_NUMBER}\s+(?:{_STAFF}|[a-z]+s and [a-z]+s) work (?:from|in|at|across)\b", re.I),
        0.65,
    ),
    (
        re.compile(
            rf"(?<![\w$€£/-]){_NUMBER}\s+(?:full[- ]time )?(?:employees|staff members|staff|team members|teammates"
            r"|colleagues)\b",
            re.I,
        ),
        0.7,
    ),
)
_BARE_NUMBER = re.compile(r"\d[\d,]{0,6}\s?\+?")
_TILE = re.compile(
    r"(?:\w+ )?(?:employees|staff|team members|people|specialists|professionals|colleagues|experts)", re.I
)
_DIGIT = re.compile(r"\d")
_RANGE = re.compile(
    r"(?<![\w$€£])(\d{1,3}(?:,\d{3})?|\d{1,5})\s*(?:-|–|—|to)\s*(\d{1,3}(?:,\d{3})?|\d{1,5})\s+employees\b", re.I
)
_SIZE_LABEL = re.compile(r"\b(?:company size|employees|headcount|number of employees|team size)\s*[:–-]\s*$", re.I)
_OTHERS = re.compile(
    r"\b(?:(?<!we are )(?<!is )an? (?:company|business|organi[sz]ation|firm) (?:with|of)|teams of"
    r"|(?!(?:this|is|was|has|consists|us)\b)[a-z]+s (?:with|of)|founded by|scaled|scaling|search(?:ing)? for"
    r"|(?:his|her|last|previous|former|prior|another) (?:company|startup|employer|job|role)"
    r"|customers|clients|for (?:companies|businesses|teams|firms)|up to|if you have|asked|surveyed|survey|per|trained"
    r"|placed|university|researchers|reporting to|you will lead|lead a|manage a|headed|their|its"
    r" \d)\b",
    re.I,
)

FUNCTIONS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(rf"\b(?:{pattern})\b", re.I))
    for name, pattern in (
        ("RevOps", r"revops|rev ops|revenue operations|sales operations|sales ops"),
        ("Customer Success", r"(?:customer|client) success|account manage\w+|key account\w*"
                             r"|(?:implementation|onboarding) (?:manager|consultant|specialist)"),
        ("Support", r"(?:customer|technical|product) (?:support|service|care|experience)|support (?:engineer|specialist"
                    r"|agent)|help ?desk|call cent(?:re|er)"),
        ("Marketing", r"marketing|marketer|seo|content (?:writer|manager|strategist|creator|lead)|copywriter|brand"
                      r"|growth|social media|communications|demand gen(?:eration)?|campaigns?|public relations"
                      r"|community manager"),
        ("Sales", r"sales|account (?:executive|director)|business development|sdr|bdr|commercial manager"
                  r"|partnerships?|partner manager|territory manager|relationship manager|pre-?sales"
                  r"|solutions? engineer"),
        ("Data", r"data (?:scien\w+|engineer|analyst|architect|lead)|machine learning|analytics|ml engineer|ai engineer"
                 r"|business intelligence|bi (?:analyst|developer)"),
        ("Security", r"(?:security|soc) (?:engineer|analyst|architect)|ciso|infosec|penetration tester"),
        ("Product", r"product (?:manager|owner|lead|director|analyst)|head of product"),
        ("Design", r"(?:ux|ui|product|graphic|visual|interior|web|motion|fashion) designer|design lead|art director"
                   r"|ux (?:researcher|writer)|architectural designer|illustrator"),
        ("IT", r"it (?:manager|support|executive|administrator|specialist)|systems? administrator|sysadmin"
               r"|network (?:engineer|administrator)"),
        ("Quality", r"quality (?:assurance|control|manager|inspector)|qa\W{1,3}qc|food safety"),
        ("Engineering", r"(?:software|frontend|front-end|backend|back-end|full[- ]stack|devops|platform|mobile|qa"
                        r"|test|site reliability)"
         r"[\w /-]{0,20}(?:engineer|developer)|developers?|programmer|cto|engineering manager|tech lead|engineers?"),
        ("Finance", r"finance|financial (?:analyst|controller|planner)|accountant|accounts? (?:executive|assistant"
                    r"|payable|receivable|clerk)|controller|auditor|treasury|payroll|bookkeeper|billing"),
        ("HR", r"hr|human resources?|people (?:operations|ops|partner|manager|team)|talent|recruiter|recruitment"),
        ("Legal", r"legal|lawyer|counsel|paralegal|compliance"),
        ("Logistics", r"logistics|warehouse|driver|supply chain|shipping|freight|procurement|purchasing|buyer"
                      r"|storekeeper|forklift|dispatcher|delivery rider|inventory"),
        ("Kitchen and Service", r"chef|cook|barista|bartender|waiter|waitress|server|restaurant manager|kitchen|baker"
                                r"|sous|f&b"),
        ("Hospitality", r"housekeep\w*|front (?:office|desk)|concierge|guest (?:services?|relations)|room attendant"
                        r"|hotel manager"),
        ("Site", r"site (?:supervisor|engineer|manager)|technician|electrician|plumber|foreman|quantity surveyor"
                 r"|welder|mechanic|carpenter"),
        ("Production", r"production|machinist|machine operator|cnc|assembler|plant manager"),
        ("Operations", r"operations|chief of staff|office manager|coordinator|administrator|receptionist"
                       r"|(?:admin(?:istrative)?|executive|personal) (?:assistant|executive)|project manager"
                       r"|program(?:me)? manager"),
        ("Retail", r"retail|store manager|shop assistant|cashier|merchandiser"),
        ("Research", r"(?:research|applied|senior|staff) scientist|researcher|chemist|biologist|lab(?:oratory)?"
                     r" (?:manager|assistant)"),
        ("Clinical", r"nurse|doctor|physician|\w*therapist|dentist|dental|clinic|pharmacist|caregiver|veterinar\w+"),
        ("Teaching", r"teacher|tutor|trainer|lecturer|instructor|educator"),
        ("Consulting", r"consultant"),
    )
)  # fmt: skip
_ROLE = re.compile(
    r"\b(?:engineer|developer|manager|executive|analyst|designer|director|lead|specialist|associate|consultant"
    r"|accountant"
    r"|officer|representative|driver|chef|technician|administrator|assistant|intern|architect|scientist|recruiter|nurse"
    r"|therapist|coordinator|planner|supervisor|operator|writer|marketer|buyer|barista|teacher|tutor|trainer|cook|baker"
    r"|electrician|plumber|surveyor|sdr|bdr|controller|counsel|strategist|copywriter|programmer|auditor|bookkeeper"
    r"|receptionist|cashier|lawyer|paralegal|pharmacist|dentist|doctor|physician|researcher|chemist|machinist|welder"
    r"|mechanic|carpenter|waiter|waitress|bartender|illustrator|clerk|housekeeper"
    r"|product owner|(?:business|hr|talent|people) partner|(?:support|service|sales) agent"
    r"|head of [a-z]+|vp of [a-z]+)s?\b|\([mwfdx]/[mwfdx](?:/[mwfdx])?\)",
    re.I,
)
_HIRING = re.compile(
    r"\b(?:(?:we(?:'re|’re| are)|now|currently)\s+(?:\w+\s+)?(?:hiring|looking for|recruiting)|hiring|join us as|open"
    r" role:?)\s+"
    r"(?:for\s+)?(?:an?|our(?: first| next)?|another|more|experienced)?\s*([^.,;:!?()]{3,60})",
    re.I,
)
_NOT_A_JOB = re.compile(
    r"[.!?;@]|\b(?:you|your|we|our|what|why|how|apply|reporting|report to|contact|meet|benefits)\b", re.I
)
_BUILT_FOR = re.compile(
    r"\b(?:built|made|designed|created|software|platform|tools?|loved|trusted|used|helps?|helping|empower(?:s|ing)?"
    r"|for)\b",
    re.I,
)
_FOR = re.compile(
    r"\b(?:(?:built|made|designed|created|ideal|perfect|software|platform|tools?|solutions?|guide|dashboards?"
    r"|workspace)\s+for"
    r"|(?:loved|trusted|used) by|helps|helping|helped|empowers|gives)\s+"
    r"(?:(?:the|busy|modern|every|your|ambitious)\s+)?$",
    re.I,
)
_ALSO = re.compile(r"^(?:\s*,\s*|\s*,?\s+(?:and|or|&)\s+)$")


def band_of(low: int, high: int | None = None) -> tuple[int, int | None]:
    """The band of a head-count, or the one that shares most with a range (by ratio, as company sizes differ)."""
    if high is None or high <= low:
        return next(band for band in BANDS if band[1] is None or low <= band[1])
    middle = (max(low, 1) * high) ** 0.5
    return next(band for band in BANDS if band[1] is None or middle <= band[1])


def band_text(band: tuple[int, int | None]) -> str:
    """``(51, 200)`` → ``"51-200"``."""
    return f"{band[0]}+" if band[1] is None else f"{band[0]}-{band[1]}"


def find_headcount(documents: Sequence[Document]) -> list[EvidenceItem]:
    """What the pages say about the company's size, one item per page and band."""
    items: list[EvidenceItem] = []
    for document in documents:
        url = document.page.url
        for node in document.nodes:
            if structured.is_organisation(node) and (found := _structured_count(node.get("numberOfEmployees"))):
                items.append(_headcount_item(found, url, f"numberOfEmployees: {found[0]}-{found[1] or ''}", 0.95))
        if document.is_article or document.is_legal or document.is_comparison:
            continue
        if document.page.page_type in ("customers", "pricing", "integrations", "industries"):
            continue
        lines = document.main
        for index, line in enumerate(lines):
            if (
                _BARE_NUMBER.fullmatch(line.text)
                and index + 1 < len(lines)
                and (tile := _TILE.fullmatch(lines[index + 1].text))
            ):
                number = _number(line.text.rstrip("+ "))
                if number is not None:
                    items.append(_headcount_item((number, None), url, f"{line.text} {tile[0]}", 0.75))
            elif not line.quoted and (_DIGIT.search(line.text) or not line.keys.isdisjoint(_SPELT)):
                items.extend(
                    _headcount_item(found, url, snippet, confidence)
                    for found, snippet, confidence in _stated_counts(line, document.page.page_type)
                )
    return items


def _stated_counts(line: Line, page_type: str) -> Iterator[tuple[tuple[int, int | None], str, float]]:
    text = line.text[:2_000]
    for match in _RANGE.finditer(text):
        low, high = (int(part.replace(",", "")) for part in match.groups())
        before = text[max(0, match.start() - 60) : match.start()]
        if 0 < low < high and not _OTHERS.search(before):
            confidence = 0.85 if _SIZE_LABEL.search(before) else 0.7
            yield (low, high), excerpt(text, match.start(), match.end()), confidence
            return
    for pattern, confidence in _HEADCOUNT:
        for match in pattern.finditer(text):
            number = _number(match[1])
            sentence = re.split(r"[.!?]\s", text[max(0, match.start() - 80) : match.start()])[-1]
            if number is None or _OTHERS.search(sentence) or _OTHERS.search(match[0].lower().replace("up to", "")):
                continue
            if re.match(
                r"\s*(?:customers|clients|users|companies|countries|years|offices|accountants\b.*report)",
                text[match.end() :],
            ):
                continue
            more = match["more"] or _MORE_THAN.search(text[: match.start(1)])
            yield (number + bool(more), None), excerpt(text, match.start(), match.end()), confidence
            return


def _number(text: str) -> int | None:
    number = _SPELT.get(text.lower()) or (int(text.replace(",", "")) if text[:1].isdigit() else None)
    # "team of 2019" is a year; "2,019 employees" is not.
    if number is None or not 1 <= number <= 500_000 or ("," not in text and 1900 <= number <= 2100):
        return None
    return number


def _structured_count(value: Any) -> tuple[int, int | None] | None:
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        low, high = _integer(value.get("minValue")), _integer(value.get("maxValue"))
        if low and high:
            return low, high
        value = value.get("value")
    if isinstance(value, str) and (match := re.fullmatch(r"\s*(\d{1,6})\s*(?:-|–|to)\s*(\d{1,6})\s*", value)):
        return int(match[1]), int(match[2])
    number = _integer(value)
    return (number, None) if number else None


def _integer(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = str(value).replace(",", "").rstrip("+").split(".")[0].strip()
    return int(text) if text.isascii() and text.isdigit() and 0 < len(text) < 7 and int(text) else None


def _headcount_item(found: tuple[int, int | None], url: str, snippet: str, confidence: float) -> EvidenceItem:
    band = band_of(*found)
    text = band_text(band)
    return EvidenceItem(
        "headcount", text, {"headcount_band": text, "low": band[0], "high": band[1]}, url, snippet, confidence
    )


def find_hiring(documents: Sequence[Document]) -> list[EvidenceItem]:
    """Functions the company hires for: titles on career pages and job boards, job postings, "we are hiring a …"."""
    items: list[EvidenceItem] = []
    for document in documents:
        url = document.page.url
        for node in document.nodes:
            if "jobposting" in structured.types(node) and (title := structured.string(node.get("title"))):
                items.extend(_hiring_item(title, title, url, 0.95))
        if document.is_legal:
            continue
        careers = document.page.page_type == "careers"
        for line in document.main:
            posted = not document.is_article and any(contact.startswith("http") for contact in line.contacts)
            if (careers or posted) and line.kind in ("heading", "item", "text") and _is_job(line):
                items.extend(_hiring_item(line.text, line.text, url, 0.85 if posted or line.kind != "text" else 0.75))
            elif not document.is_article and not line.keys.isdisjoint({"hiring", "looking", "recruiting"}):
                for match in _HIRING.finditer(line.text[:1_000]):
                    snippet = excerpt(line.text, match.start(), match.end())
                    for title in re.split(r"\s+(?:and|or|in|at|→)\s+(?:an?\s+)?", match[1]):
                        if _ROLE.search(title) or "ops" in title.lower():
                            items.extend(_hiring_item(title, snippet, url, 0.75))
    return items


def function_of(title: str) -> str | None:
    """The function a job title belongs to, as hiring hints name it; None where none is known."""
    return next((name for name, pattern in FUNCTIONS if pattern.search(title)), None)


def _is_job(line: Line) -> bool:
    text = line.text
    return (
        3 < len(text) <= 80
        and len(line.words) <= 9
        and not line.quoted
        and text[:1].isupper()
        and not _NOT_A_JOB.search(text)
        and bool(_ROLE.search(text))
        and "call" not in line.keys
    )


def _hiring_item(title: str, snippet: str, url: str, confidence: float) -> Iterator[EvidenceItem]:
    function = function_of(title)
    if function is None:
        return
    short = re.split(r"\s+[|(–—-]\s*|\s*\(", title)[0].strip(" ,.")[:80]
    yield EvidenceItem("hiring", function.lower(), {"hiring": function, "title": short}, url, snippet[:280], confidence)


def find_buyer_titles(documents: Sequence[Document], company_name: str | None) -> list[EvidenceItem]:
    """Titles of those who buy: who speaks in testimonials and case studies, and for whom the product is made."""
    own = name_key(company_name) if company_name else ""
    items: list[EvidenceItem] = []
    for document in documents:
        if document.is_legal or document.is_article or document.page.page_type in ("careers", "contact"):
            continue
        customers_page = document.page.page_type == "customers"
        for index, line in enumerate(document.main):
            for item in _titles_of(line, document, index, customers_page=customers_page, own=own):
                items.append(item)
        for text in (document.title, document.description):
            items.extend(_made_for(text, document.page.url))
    return items


def _titles_of(line: Line, document: Document, index: int, *, customers_page: bool, own: str) -> Iterator[EvidenceItem]:
    speaking = (line.quoted or customers_page) and line.kind != "heading" and len(line.words) <= 80
    if speaking:
        for match in find_titles(line.text, line.words):
            after = name_key(line.text[match.end() : match.end() + 60])
            named = bool(re.search(r"[A-Z][\w.'’-]+\s*(?:,|\||–|—|\()\s*$", line.text[: match.start()]))
            alone = len(line.words) <= 12 or match.start() > len(line.text) * 0.4 or named
            below_name = bool(index and looks_like_name(document.main[index - 1].text))
            if not alone or (own and own in after):
                continue
            if is_weak(match[0]) and not (named or below_name):
                continue
            if item := _title_item(match[0], line.text, match.start(), match.end(), document.page.url, 0.85):
                yield item
    if line.kind != "image" and _BUILT_FOR.search(line.text) and not line.quoted:
        yield from _made_for(line.text, document.page.url)


def _made_for(text: str, url: str) -> Iterator[EvidenceItem]:
    if not text:
        return
    last: int | None = None
    for match in find_titles(text, words(text)):
        cued = bool(_FOR.search(text[max(0, match.start() - 60) : match.start()]))
        listed = last is not None and bool(_ALSO.match(text[last : match.start()]))
        if (cued or listed) and _is_plural_or_role(match[0], text[match.end() : match.end() + 3]):
            last = match.end()
            if item := _title_item(match[0], text, match.start(), match.end(), url, 0.75):
                yield item


def _is_plural_or_role(title: str, after: str) -> bool:
    """ "For finance controllers" and "for CFOs" speak of buyers; "for partner pricing" does not."""
    return (
        title.rstrip().lower().endswith("s") or " of " in title.lower() or title.isupper() or "ops" in title.lower()
    ) and not re.match(r"-\w", after)


def _title_item(title: str, text: str, start: int, end: int, url: str, confidence: float) -> EvidenceItem | None:
    spelled = normalise_title(title)
    if spelled is None:
        return None
    return EvidenceItem(
        "buyer_title", spelled.lower(), {"buyer_title": spelled}, url, excerpt(text, start, end), confidence
    )
