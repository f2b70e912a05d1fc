"""The words that simulated companies, streets and web pages are made of, and how common the shown facts are.

Belongs here: own word lists and base rates. Not here: what is planted (spec.py).
"""

from __future__ import annotations

from typing import Final


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


SURNAMES: Final = _words(
    "Tan Lim Lee Ng Wong Goh Chua Koh Teo Ong Chan Yeo Sim Chew Toh Ang Low Seah Kwek Foo Heng Quek Tay Ho Lau "
    "Rahman Ismail Yusof Hassan Osman Kumar Menon Nair Pillai Raj Singh Fernandez Pereira De-Souza Sng"
)
FIRST_NAMES: Final = _words(
    "Mei-Ling Wei Jun Hui-Min Aisha Farid Priya Arun Siti Daniel Grace Marcus Rachel Kelvin Nadia Vikram Joanne"
)
ADJECTIVES: Final = _words(
    "Golden Bright Pacific Silver Blue Evergreen Royal Summit Crystal United Prime Noble Swift Steady Northern Eastern "
    "Lucky Grand Jade Coral Amber Orchid Island Harbour Equator Monsoon Banyan Merlin Lotus Straits Tembusu Angsana "
    "Kampong Trident Vivid Honest Quiet Copper Rapid Solid"
)
NOUNS: Final = _words(
    "Harvest Bridge Star Wave Peak Compass Anchor Lantern Garden River Gate Tower Horizon Crest Field Spring Tide "
    "Feather Stone Wing Beacon Orchard Path Circle Forge Leaf Cedar Falcon Heron Otter Pearl Dragon Phoenix Tiger "
    "Junk Sampan Rudder Keel Kite Ridge"
)
ONSETS: Final = _words("Zen Nov Alt Kor Ver Sol Tri Lum Ax Bel Cor Dy El Fen Gal Hex In Jol Kai Lex Mar Nex Or Pel")
MIDDLES: Final = _words("ta vi ro li ma ne do ka si po ru te ba lo mi")
ENDINGS: Final = _words("x tek ra lis nix via ton dia mar plex ris nova tron lia sys rix dyne")
TAILS: Final = _words("Enterprise International Asia Holdings Group Global Ventures Resources Associates Partners")

# What firms of a section call themselves after.
DESCRIPTORS: Final[dict[str, tuple[str, ...]]] = {
    "A": ("Farm", "Agri", "Aquaculture", "Growers"),
    "B": ("Foods", "Food Industries", "Provisions", "Beverages"),
    "C": ("Industries", "Manufacturing", "Engineering", "Technologies", "Precision"),
    "F": ("Construction", "Builders", "Contractors", "Engineering", "M&E"),
    "G": ("Trading", "Supplies", "Marketing", "Distributors", "Mart"),
    "H": ("Logistics", "Transport", "Shipping", "Marine", "Cargo"),
    "I": ("Hospitality", "Kitchen", "Catering", "F&B"),
    "J": ("Software", "Technologies", "Systems", "Digital", "Solutions"),
    "K": ("Capital", "Finance", "Payments", "Insurance"),
    "L": ("Properties", "Realty", "Estates"),
    "M": ("Consulting", "Advisory", "Associates", "Studio", "Design"),
    "N": ("Services", "Facilities", "Resources", "Management"),
    "P": ("Education", "Academy", "Learning", "Training"),
    "Q": ("Healthcare", "Medical", "Clinic", "Care"),
    "R": ("Fitness", "Leisure", "Arts"),
    "S": ("Services", "Works", "Care"),
}
STREETS: Final = tuple(
    f"{name} {kind}"
    for name in ("ANGSANA", "BANYAN", "CEMPEDAK", "DURIAN", "ENG KEE", "FERN", "GAMBIR", "HIJAU", "INDAH", "JERING")
    for kind in ("ROAD", "STREET", "AVENUE 3", "DRIVE", "CRESCENT", "LINK")
)
BUILDINGS: Final = ("ORCHID TECHPARK", "STRAITS HUB", "TEMBUSU CENTRE", "LANTERN POINT", "HARBOURLIGHT TOWER")
PLACES: Final = (
    ("Singapore", "SG", 0.86),
    ("Johor Bahru", "MY", 0.06),
    ("Kuala Lumpur", "MY", 0.05),
    ("Batam", "ID", 0.03),
)

#: Product → share of company sites that name it.
INTEGRATIONS: Final[dict[str, float]] = {
    "Google Analytics": 0.16,
    "Stripe": 0.11,
    "Xero": 0.11,
    "Slack": 0.10,
    "Salesforce": 0.09,
    "Mailchimp": 0.09,
    "QuickBooks": 0.08,
    "HubSpot": 0.07,
    "Shopify": 0.07,
    "WooCommerce": 0.06,
    "Zendesk": 0.05,
    "SAP": 0.05,
    "NetSuite": 0.04,
    "Zoho CRM": 0.04,
    "Microsoft Dynamics 365": 0.04,
    "Intercom": 0.04,
    "Odoo": 0.03,
    "Freshdesk": 0.03,
    "Pipedrive": 0.03,
    "Magento": 0.03,
}
#: Job title → share of company sites on which somebody with it speaks.
TITLES: Final[dict[str, float]] = {
    "Operations Manager": 0.10,
    "Managing Director": 0.10,
    "General Manager": 0.09,
    "Marketing Manager": 0.08,
    "Finance Manager": 0.07,
    "Sales Director": 0.06,
    "Operations Director": 0.06,
    "Head of Sales": 0.06,
    "Head of Marketing": 0.06,
    "IT Manager": 0.06,
    "HR Manager": 0.05,
    "COO": 0.05,
    "CFO": 0.05,
    "Head of Operations": 0.04,
    "Head of Procurement": 0.04,
    "CTO": 0.04,
    "Procurement Manager": 0.04,
    "Supply Chain Manager": 0.03,
    "Head of Finance": 0.03,
    "RevOps": 0.03,
    "Head of Customer Success": 0.03,
    "Warehouse Manager": 0.03,
}
#: Other spellings of a title that pages use.
SPELLINGS: Final[dict[str, tuple[str, ...]]] = {
    "COO": ("COO", "Chief Operating Officer"),
    "CFO": ("CFO", "Chief Financial Officer"),
    "CTO": ("CTO", "Chief Technology Officer"),
    "RevOps": ("RevOps Lead", "RevOps"),
    "Operations Director": ("Operations Director", "Director of Operations"),
    "Sales Director": ("Sales Director", "Director of Sales"),
}
#: Head-count band → lowest, highest, share of companies.
BANDS: Final[dict[str, tuple[int, int, float]]] = {
    "1-10": (2, 10, 0.38),
    "11-50": (11, 50, 0.33),
    "51-200": (51, 200, 0.17),
    "201-500": (201, 500, 0.08),
    "501-1000": (501, 1000, 0.03),
    "1001-5000": (1001, 5000, 0.01),
}
HIRING: Final = (
    "Sales Executive",
    "Accounts Executive",
    "Software Engineer",
    "Operations Executive",
    "Customer Service Officer",
    "Marketing Executive",
    "Data Analyst",
    "Warehouse Assistant",
)
LOST_REASONS: Final = (
    "budget too low",
    "on-premise only",
    "chose to build in house",
    "no decision maker found",
    "needs a 24-hour hotline",
    "procurement by tender only",
    "team too small to use it",
    "moved to a regional group contract",
)
TRIGGERS: Final = (
    "opening a second warehouse",
    "hiring a sales lead",
    "moving off spreadsheets",
    "new finance director",
    "entering Malaysia",
    "launching an online shop",
    "audit finding",
    "fresh funding round",
)
