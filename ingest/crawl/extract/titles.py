"""Job titles: finding them in text, and writing the same title the same way.

``normalise_title`` is also for answers of people, so that "VP, Sales" of an intake meets "VP of Sales" of a page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ingest.crawl.extract.text import Word

_FUNCTIONS = (
    r"sales|marketing|operations|ops|finance|financial planning|accounting|accounts|procurement|purchasing"
    r"|supply chain|logistics|warehouse|fulfil?lment|human resources?|hr|people|talent|talent acquisition"
    r"|recruit(?:ing|ment)"
    r"|it|information technology|technology|engineering|software engineering|product|product management|design"
    r"|data|analytics|security|information security|compliance|legal|risk|quality|customer success"
    r"|customer experience|customer support|customer service|support|e-?commerce|digital|digital marketing"
    r"|growth|brand|content|communications|partnerships|business development|revenue|revenue operations|revops"
    r"|sales operations|sales ops|marketing operations|facilities|estate|estates|property|projects?|programmes?"
    r"|programs?"
    r"|maintenance|production|manufacturing|plant|research|r&d|innovation|sustainability|safety|hse|retail"
    r"|merchandising|store|payroll|credit|treasury|tax|audit|internal audit|learning|training|events|clinical|nursing"
    r"|school|clinic|practice|medical|academic|hotel|restaurant|kitchen|construction|site|contracts?|commercial"
    r"|regional|country|fleet|transport"
)
_FUNCTION = rf"(?:{_FUNCTIONS})"
_SCOPE = r"(?:(?:group|senior|sr\.?|deputy|assistant|asst\.?|regional|global|country|apac|asean|associate|interim)\s+)"
_CHIEF = r"ceo|cfo|coo|cto|cio|cmo|cro|chro|cpo|ciso|cdo|cco"
_RANK = r"director|manager|controller|lead|leader|officer|head|executive|buyer|planner|administrator|coordinator"
_PATTERN = re.compile(
    rf"\b{_SCOPE}{{0,2}}(?:"
    rf"(?:(?:s|e|a)?vps?|vice[- ]presidents?|heads?|directors?|managers?)(?:\s+of|\s*,|\s*[-–])?\s+{_FUNCTION}"
    rf"(?:\s*(?:&|and)\s*{_FUNCTION})?"
    rf"|chief\s+(?:[a-z]+\s+){{1,2}}officers?|chief\s+of\s+staff"
    rf"|{_FUNCTION}(?:\s*(?:&|and)\s*{_FUNCTION})?\s+(?:{_RANK})s?"
    rf"|(?:{_CHIEF})s?"
    r"|(?:co-?)?founders?(?:\s*(?:&|and)\s*(?:ceo|cto|coo|managing director))?"
    r"|managing directors?|general managers?|executive directors?|managing partners?|office managers?"
    r"|practice managers?|business owners?|company secretar(?:y|ies)|financial controllers?|controllers"
    r"|revops|principals?|presidents?|partners?|owners?|chair(?:man|woman|person)|controller"
    r")(?![\w-])",
    re.I,
)
# A line without one of these words holds no title: the pattern need not run.
_CUES_WORDS = (
    "vp svp evp avp vps vice head heads director directors manager managers chief ceo cfo coo cto cio cmo cro chro"
    " cpo ciso cdo cco ceos cfos coos ctos cios cmos cros founder founders co-founder cofounder co-founders"
    " controller controllers lead leads leader leaders officer officers executive executives buyer buyers planner"
    " planners administrator administrators coordinator coordinators owner owners partner partners president"
    " presidents principal principals chairman chairwoman chairperson revops secretary secretaries"
)
_CUES = frozenset(_CUES_WORDS.split())
# These are titles only where a name or company stands beside them.
_WEAK = frozenset({"principal", "president", "partner", "owner", "founder", "executive", "controller"})
_CHIEFS = {
    "executive": "CEO",
    "financial": "CFO",
    "finance": "CFO",
    "operating": "COO",
    "operations": "COO",
    "technology": "CTO",
    "technical": "CTO",
    "information": "CIO",
    "marketing": "CMO",
    "revenue": "CRO",
    "human resources": "CHRO",
    "people": "CHRO",
    "product": "CPO",
    "information security": "CISO",
    "data": "CDO",
    "commercial": "CCO",
}
_SAME = (
    (re.compile(r"\b(?:human resources?|people (?:operations|ops)|people)\b"), "hr"),
    (re.compile(r"\b(?:revenue|rev) ?(?:operations|ops)\b"), "revops"),
    (re.compile(r"\b(?:information technology)\b"), "it"),
    (re.compile(r"\be-commerce\b"), "ecommerce"),
    (re.compile(r"\bops\b"), "operations"),
    (re.compile(r"\bsr\.?(?=\s)"), "senior"),
    (re.compile(r"\basst\.?(?=\s)"), "assistant"),
    (re.compile(r"\b(?:hd|hod)\.?(?=\s)"), "head"),
    (re.compile(r"\bvice[- ]president\b"), "vp"),
    (re.compile(r"\bmgr\b"), "manager"),
    (re.compile(r"\bdir\.(?=\s|$)"), "director"),
    (re.compile(r"^md$"), "managing director"),
    (re.compile(r"^gm$"), "general manager"),
    (re.compile(r"^cofounder\b"), "co-founder"),
    (re.compile(r"\bfinancial controller\b"), "finance controller"),
)
_UPPER_WORDS = "ceo cfo coo cto cio cmo cro chro cpo ciso cdo cco vp svp evp avp hr it hse r&d apac asean"
_UPPER = frozenset(_UPPER_WORDS.split())
_SPECIAL = {"revops": "RevOps", "devops": "DevOps", "ecommerce": "Ecommerce", "of": "of", "and": "and", "for": "for"}
_PLURAL = re.compile(
    r"\b(head|director|manager|controller|leader|officer|executive|owner|founder|vp|svp|evp|president|principal|partner"
    r"|buyer|planner|administrator|coordinator|lead|ceo|cfo|coo|cto|cio|cmo|cro|chro|ciso)s\b"
)


def find_titles(text: str, line: list[Word]) -> Iterator[re.Match[str]]:
    """The job titles in a line of text, with their positions."""
    if any(word.key in _CUES for word in line):
        yield from _PATTERN.finditer(text)


def is_weak(title: str) -> bool:
    """Whether the words are a title only beside a name or a company ("partner", "owner")."""
    return title.lower().removesuffix("s") in _WEAK


def normalise_title(text: str) -> str | None:
    """``"Vice President, Sales"`` → ``"VP of Sales"``; None where no words are left.

    The comparison key of a title is this in lower case.
    """
    title = " ".join(re.sub(r"[^\w&/+'.,-]+", " ", text.lower()).split()).strip(" .,-/")
    if not title or len(title) > 100:
        return None
    title = _PLURAL.sub(r"\1", re.sub(r"\bsecretaries\b", "secretary", title))
    for pattern, spelling in _SAME:
        title = pattern.sub(spelling, title)
    title = re.sub(r"\s*&\s*(?!d\b)", " and ", title)
    chief = re.match(r"^((?:group |regional |deputy )?)chief ((?:\w+ ?){1,2}) officer$", title)
    if chief and (short := _CHIEFS.get(chief[2].strip(), _CHIEFS.get({"hr": "people"}.get(chief[2].strip(), "")))):
        title = chief[1] + short.lower()
    title = re.sub(r"^((?:\w+ )*(?:vp|head))(?: of|,| -)? (?!of\b)(?=\w)", r"\1 of ", title)
    if moved := re.match(r"^((?:senior |group |regional |assistant )*)(director|manager)(?: of|,| -) (.+)$", title):
        title = f"{moved[1]}{moved[3]} {moved[2]}"
    if moved := re.match(rf"^((?:group |regional )?)({_FUNCTION}) head$", title):
        title = f"{moved[1]}head of {moved[2]}"
    title = re.sub(r"^revops (?:lead|leader|team|professional)$", "revops", title)
    return " ".join(_spelled(word) for word in title.replace(",", " ").split()) or None


def _spelled(word: str) -> str:
    if word in _SPECIAL:
        return _SPECIAL[word]
    return word.upper() if word in _UPPER else word[:1].title() + word[1:]
