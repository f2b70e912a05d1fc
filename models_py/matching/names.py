"""Company names as matching compares them: without case, accents, punctuation and legal form."""

from __future__ import annotations

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
_DOTTED = re.compile(r"\b(?:[a-z]\.){2,}(?:[a-z]\b)?|\b[a-z](?:\.[a-z])+\b")
_NO_WORD = re.compile(r"[^\w]+|_+")


def fold(name: str) -> str:
    """Lower case without accents or punctuation, single spaces, ``&`` as ``and``; the legal form stays."""
    text = name.replace("\x00", " ").replace("&", " and ").replace("ß", "ss")
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    return _NO_WORD.sub(" ", _DOTTED.sub(lambda dotted: dotted[0].replace(".", ""), plain)).strip()


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
    return " ".join(word for word in fold(name).split() if word in _LEGAL)
