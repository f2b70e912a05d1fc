"""What kind of page an address is, by its path, the words of the links to it, and its title. English first; the words
of other languages are those that company sites use in their menus."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from ingest.crawl.page import PageType

_WORDS: dict[PageType, str] = {
    "about": r"about|about us|aboutus|who we are|our story|our company|the company|company|company profile|"
    r"corporate profile|our team|team|leadership|management|our mission|mission|history|über uns|ueber uns|"
    r"unternehmen|à propos|a propos|qui sommes nous|entreprise|quienes somos|quiénes somos|nosotros|empresa|"
    r"sobre nos|sobre nós|sobre|chi siamo|azienda|over ons|om oss|om os|o nas|tentang kami|关于我们|关于|關於|公司简介|"
    r"会社概要|会社情報|회사소개",
    "customers": r"customers?|our customers|clients?|our clients|client list|customer stories|success stories|"
    r"success story|case stud(?:y|ies)|cases|testimonials?|reviews|portfolio|our work|work|projects?|our projects|"
    r"track record|references?|referenzen|kunden|kundenstimmen|clientes|casos de exito|casos|références|clienti|"
    r"klanten|kunder|客户|客户案例|案例|導入事例|事例|고객사례",
    "industries": r"industr(?:y|ies)|industries we serve|who we serve|sectors?|verticals?|markets|use cases|"
    r"solutions by industry|by industry|branchen|secteurs?|sectores|settori|sectoren|行业|行業|解决方案|業種",
    "integrations": r"integrations?|partners?|our partners|partnerships?|partner program|technology partners|"
    r"marketplace|app directory|apps|ecosystem|alliances|connectors|works with|integrationen|integraciones|"
    r"intégrations|partenaires|partenaire|socios|partner werden|合作伙伴|パートナー|連携",
    "pricing": r"pricing|prices?|plans|plans and pricing|pricing and plans|packages|rates|rate card|fees|preise|"
    r"tarife?|tarifs?|precios|planes|prezzi|prijzen|preços|harga|价格|價格|料金|가격",
    "careers": r"careers?|jobs?|job openings|open positions|openings|vacanc(?:y|ies)|join us|join our team|"
    r"work with us|work for us|hiring|we are hiring|opportunities|recruitment|karriere|stellen|stellenangebote|"
    r"carrières?|recrutement|emplois?|empleos?|trabaja con nosotros|trabalhe conosco|lavora con noi|vacatures|"
    r"kerjaya|karir|招聘|加入我们|採用|採用情報|채용",
    "contact": r"contact|contacts|contact us|contactus|get in touch|reach us|locations?|our offices|offices|find us|"
    r"locate us|kontakt|impressum|contacto|contáctanos|contatti|nous contacter|contactez nous|contato|hubungi kami|"
    r"联系我们|联系|聯絡我們|お問い合わせ|アクセス|문의",
}
_OFFER = re.compile(
    r"(products?|services?|solutions?|platform|features|what we do|how it works|leistungen|produkte|lösungen|"
    r"prestations|produits|servicios|productos|soluciones|servizi|prodotti|产品|服务|サービス|製品)"
)
_TYPES = {kind: re.compile(rf"(?:{words})") for kind, words in _WORDS.items()}
_IN_TITLE = {kind: re.compile(rf"(?<!\w)(?:{words})(?!\w)") for kind, words in _WORDS.items()}
_LOCALE = re.compile(r"[a-z]{2}([-_][a-z]{2,4})?")
_ASIDE = {
    "blog",
    "blogs",
    "news",
    "article",
    "articles",
    "post",
    "posts",
    "press",
    "media",
    "insights",
    "events",
    "docs",
}
_ASIDE |= {"help", "support", "legal", "privacy", "terms", "forum", "community", "wiki", "download", "faq", "docs"}
_GAP = re.compile(r"[\W_]+")


def classify(url: str, words: str = "", title: str = "") -> tuple[PageType, float]:
    """The type of a page and how sure the signs are (0-6; 0 for other).

    Args:
        url: address in compared form.
        words: of the links that lead to it.
        title: of the page, where it has been read; the part before the site's name counts.
    """
    segments = _segments(url)
    if segments and _LOCALE.fullmatch(segments[0]):
        segments = segments[1:]
    if not segments or segments in (["index"], ["home"]):
        if not urlsplit(url).query:
            return "home", 6.0
        segments = [""]  # /?page_id=7: the address says nothing
    host_kind = _host_kind(url)
    says = _plain(words)
    # "About us | Example" and "Example - About us": both ends are looked at, not the middle of a headline.
    heads = [_plain(part) for part in re.split(r"\s[|\-–—:·»]\s|\|", title[:300])] if title else []
    best: tuple[PageType, float] = ("other", 0.0)
    for kind, pattern in _TYPES.items():
        score = 0.0
        if pattern.fullmatch(segments[-1]):
            score += 3.0
        elif pattern.fullmatch(segments[0]) or any(pattern.fullmatch(segment) for segment in segments[1:-1]):
            score += 2.0
        if says and pattern.fullmatch(says):
            score += 2.0
        elif says and len(says) < 60 and _IN_TITLE[kind].search(says):
            score += 0.5
        if any(head and pattern.fullmatch(head) for head in heads):
            score += 1.5
        if score and segments[0] in _ASIDE:
            score -= 3.0
        if kind == host_kind:
            score += 2.5
        if score > best[1]:
            best = (kind, score)
    if best[1] >= 1.0:
        return best
    return "other", 0.5 if _OFFER.fullmatch(segments[-1]) or _OFFER.fullmatch(says) else 0.0


def retype(known: PageType, url: str, title: str | None) -> PageType:
    """The type of a page that was read: what the links to it said stands unless they said nothing."""
    if known != "other":
        return known
    kind, _ = classify(url, "", title or "")
    return kind if kind != "home" else "other"


def _segments(url: str) -> list[str]:
    path = unquote(urlsplit(url).path, errors="replace").lower()
    path = re.sub(r"\.(html?|php|aspx?|jsp)$", "", path)
    return [plain for plain in (_plain(segment) for segment in path.split("/")[:9]) if plain]


def _host_kind(url: str) -> PageType | None:
    """careers.example.com says it in the host name."""
    label = (urlsplit(url).hostname or "").split(".")[0]
    return next((kind for kind, pattern in _TYPES.items() if label != "www" and pattern.fullmatch(label)), None)


def _plain(text: str) -> str:
    return _GAP.sub(" ", text[:300].lower()).strip()
