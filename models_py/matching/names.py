"""Company names as matching compares them: without case, accents, punctuation and legal form.

Belongs here: everything that is said of one name alone. Comparing two of them is in ``features``.
"""

from __future__ import annotations

import functools
import re
import unicodedata

# Tokens of legal forms, stripped at either end. Joined letters ("b.v." → "bv") are handled before.
_FORMS = """
pte pty pvt ltd limited private plc llp llc lllp lp inc incorporated corp corporation co company sdn bhd berhad
gmbh mbh ag kg kgaa ohg gbr ug ek ev eg se haftungsbeschraenkt haftungsbeschrankt
sa sas sarl srl spa sl slu sau ltda eireli bv nv vof oy oyj ab as asa aps kk yk
"""
_LEGAL = frozenset(_FORMS.split())
_DROPPED = frozenset({"the", "and"})
# Spellings of one form are one form when two names are asked whether theirs agree.
_SAME_FORM = {
    "private": "pte", "pvt": "pte", "limited": "ltd", "incorporated": "inc", "corporation": "corp", "company": "co",
    "berhad": "bhd", "mbh": "gmbh", "haftungsbeschraenkt": "ug", "haftungsbeschrankt": "ug",
}  # fmt: skip
# Forms written out as several words; matched on folded text.
_PHRASES = (
    (re.compile(r"\b(?:gesellschaft|ges) (?:mit beschrankter haftung|m b h|mbh)\b"), "gmbh"),
    (re.compile(r"\bkommanditgesellschaft auf aktien\b"), "kgaa"),
    (re.compile(r"\bkommanditgesellschaft\b"), "kg"),
    (re.compile(r"\baktiengesellschaft\b"), "ag"),
    (re.compile(r"\boffene handelsgesellschaft\b"), "ohg"),
    (re.compile(r"\bgesellschaft burgerlichen rechts\b"), "gbr"),
    (re.compile(r"\beingetragene genossenschaft\b"), "eg"),
    (re.compile(r"\beingetragener verein\b"), "ev"),
    (re.compile(r"\beingetragene[r]? kauf(?:mann|frau)\b"), "ek"),
)
# Words that many names of one group of companies differ in; dropped from the core of a name.
_GENERIC_WORDS = """
group gruppe groupe unternehmensgruppe firmengruppe holding holdings beteiligung beteiligungs beteiligungen
verwaltung verwaltungs verwaltungsgesellschaft besitzgesellschaft betriebsgesellschaft gesellschaft deutschland
germany europe international singapore singapur asia pacific apac sea global worldwide services service
enterprise enterprises s of for fur und and the
"""
_BESIDE_CORE = frozenset(_GENERIC_WORDS.split()) | _LEGAL
# Words that initials often leave out.
_SMALL_WORDS = "and of for the fur und der die das des von zur mit in i a"
_SMALL = frozenset(_SMALL_WORDS.split())
_LONGEST_ACRONYM = 6
_DOTTED = re.compile(r"\b(?:[a-z]\.){2,}(?:[a-z]\b)?|\b[a-z](?:\.[a-z])+\b")
_DOT_WITHIN = re.compile(r"\.[a-z]")  # what dotted letters have in common; most names have none
_NO_WORD = re.compile(r"[\W_]+")
_ASCII_NO_WORD = {code: " " for code in range(128) if _NO_WORD.match(chr(code))}


def fold(name: str) -> str:
    """Lower case without accents or punctuation, single spaces, ``&`` as ``and``; the legal form stays."""
    text = name.replace("\x00", " ").replace("&", " and ").replace("ß", "ss")
    plain = text.casefold()
    if not plain.isascii():
        # Twice: some letters have a case only once they are taken apart.
        plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", plain).casefold())
        plain = "".join(character for character in plain if not unicodedata.combining(character))
    if _DOT_WITHIN.search(plain):
        plain = _DOTTED.sub(lambda dotted: dotted[0].replace(".", ""), plain)
    # A table is several times as fast as the expression, which is for letters that no table has.
    spaced = plain.translate(_ASCII_NO_WORD) if plain.isascii() else _NO_WORD.sub(" ", plain)
    folded = " ".join(spaced.split())
    if "gesellschaft" in folded or "eingetragen" in folded:
        for phrase, form in _PHRASES:
            folded = phrase.sub(form, folded)
    return folded


def name_key(name: str) -> str:
    """The name as it is compared: folded, legal forms stripped at both ends.

    A name made of nothing but legal forms is kept as it is, so that the key of a name with letters is never empty.
    """
    words = fold(name).split()
    first, last = 0, len(words)
    while last > first and (words[last - 1] in _LEGAL or (words[last - 1] in _DROPPED and last < len(words))):
        last -= 1
    while first < last and (words[first] in _LEGAL or words[first] == "the"):
        first += 1
    return " ".join(words[first:last] or words)


def legal_form(name: str) -> str:
    """The legal-form tokens of a name, in order; empty where it has none."""
    return " ".join([word for word in fold(name).split() if word in _LEGAL])


def legal_forms(name: str) -> frozenset[str]:
    """The legal forms of a name, each in one spelling: ``Private Limited`` and ``Pte. Ltd.`` are the same."""
    return _one_spelling(legal_form(name))


@functools.lru_cache(maxsize=1024)  # registries have a handful of forms, asked for with every candidate
def _one_spelling(forms: str) -> frozenset[str]:
    return frozenset(_SAME_FORM.get(word, word) for word in forms.split())


def core_name(key: str) -> str:
    """A name key without the words that companies of one group differ in, and without spelled-out umlauts.

    ``rhenus gruppe`` and ``rhenus holding gmbh and co kg`` → ``rhenus``. Never empty for a key that is not.
    """
    words = [word for word in key.split() if word not in _BESIDE_CORE]
    return skeleton(" ".join(words) or key)


def skeleton(text: str) -> str:
    """``ae``, ``oe``, ``ue`` as ``a``, ``o``, ``u``: domains write umlauts out, folding drops them."""
    return text.replace("ae", "a").replace("oe", "o").replace("ue", "u")


def compact(key: str) -> str:
    """A key as domains write it: no spaces, no umlauts."""
    return skeleton(key.replace(" ", ""))


def acronyms_of(key: str) -> frozenset[str]:
    """First letters of a key's words, with and without small words; empty for a key of one word."""
    words = key.split()
    if len(words) < 2:
        return frozenset()
    large = [word for word in words if word not in _SMALL]
    found = ["".join([word[0] for word in words])]
    if 1 < len(large) < len(words):
        found.append("".join([word[0] for word in large]))
    return frozenset([letters for letters in found if len(letters) <= _LONGEST_ACRONYM])


def is_acronym(text: str, key: str) -> bool:
    """Whether a text is among the :func:`acronyms_of` a key; most are too long to be."""
    return len(text) <= _LONGEST_ACRONYM and text in acronyms_of(key)
