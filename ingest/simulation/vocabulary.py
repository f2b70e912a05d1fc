"""The words simulated leads and messages are made of.

Belongs here: names, how common they are, and the points they are worth by the product's points table. Not
here: what is planted (spec.py, worlds.py).
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Title(NamedTuple):
    """A job title, its share among leads, its authority points, and the risk points of such a title."""

    name: str
    share: float
    authority: int
    risk: int = 0


TITLES: Final = (
    Title("Founder", 6, 25),
    Title("Co-Founder & CEO 🚀", 3, 25),
    Title("CEO", 8, 25),
    Title("Owner", 7, 25),
    Title("Managing Director", 6, 15),
    Title("Geschäftsführer", 2, 25),
    Title("Directrice Générale", 1.5, 15),
    Title("Chief Marketing Officer", 3, 22),
    Title("Chief Operating Officer", 2.5, 22),
    Title("President", 2, 22),
    Title("VP Sales", 5, 18),
    Title("VP Marketing", 3.5, 18),
    Title("Vice President, Operations", 2, 18),
    Title("Marketing Director", 6, 15),
    Title("Sales Director", 5, 15),
    Title("Head of Growth", 4, 15),
    Title("Head of Operations", 4, 15),
    Title("Senior Manager, Procurement", 3, 10),
    Title("Senior Marketing Manager", 3.5, 10),
    Title("Marketing Manager", 6, 7),
    Title("Operations Manager", 5, 7),
    Title("Team Lead", 2.5, 7),
    Title("Sales Executive", 3.5, 5),
    Title("Consultant", 3, 5),
    Title("Office Administrator", 2, 5),
    Title("Executive Assistant", 1.5, 5, 5),
    Title("Intern", 0.8, 5, 5),
)

#: Industry and its share.
INDUSTRIES: Final = (
    ("Dental", 7.0),
    ("Legal", 8.0),
    ("Accounting", 7.0),
    ("Logistics", 8.0),
    ("Construction", 9.0),
    ("E-commerce", 8.0),
    ("Software", 11.0),
    ("Manufacturing", 9.0),
    ("Hospitality", 6.0),
    ("Cafés & Restaurants", 4.0),
    ("Real Estate", 6.0),
    ("Education", 5.0),
    ("Fitness", 3.0),
    ("Recruitment", 5.0),
    ("Marketing Agency", 4.0),
)

#: Country and its share outside the home market.
COUNTRIES: Final = (
    ("Singapore", 4.0),
    ("Malaysia", 3.0),
    ("Indonesia", 2.0),
    ("Australia", 3.0),
    ("United Kingdom", 3.0),
    ("United States", 4.0),
    ("Germany", 2.0),
    ("Côte d'Ivoire", 0.5),
)

#: Source and its share.
SOURCES: Final = (
    ("apollo", 30.0),
    ("linkedin", 25.0),
    ("clay", 15.0),
    ("referral", 8.0),
    ("webinar", 8.0),
    ("event", 7.0),
    ("inbound form", 7.0),
)

#: Channel, and the action its touch is recorded as.
CHANNELS: Final = (
    ("email", "email_sent"),
    ("linkedin", "linkedin_sent"),
    ("sms", "sms_sent"),
    ("voice", "voice_completed"),
    ("mail", "mail_sent"),
)
#: Channel mix of touches where effort does not depend on the tier.
CHANNEL_SHARES: Final = (0.55, 0.22, 0.10, 0.09, 0.04)
#: Channels by tier at contact (hot, warm, cool, cold, dead), as the channel allocator has them.
CHANNEL_SHARES_BY_TIER: Final = (
    (0.40, 0.20, 0.15, 0.15, 0.10),
    (0.55, 0.25, 0.0, 0.20, 0.0),
    (0.70, 0.30, 0.0, 0.0, 0.0),
    (1.0, 0.0, 0.0, 0.0, 0.0),
    (1.0, 0.0, 0.0, 0.0, 0.0),
)
#: Planned touches by tier at contact where effort depends on it.
TOUCHES_BY_TIER: Final = (8, 6, 4, 2, 1)

#: The first one belongs to channels without a subject.
SUBJECTS: Final = (
    None,
    "Question about {company}",
    "Quick question",
    "{first_name} - {pain_point}",
    "Partnership opportunity",
    "Introduction",
    "Idea for {company} 💡",
    "Noticed you're hiring, {first_name}",
    "Une idée pour {company}",
)
PAIN_POINTS: Final = (
    ("leads",),
    ("time",),
    ("scaling",),
    ("leads", "scaling"),
    ("cost", "time"),
    ("competition",),
    (),
)
CTAS: Final = ("open to a quick chat", "worth 15 minutes", "free audit", "happy to share", "let me know")
WORD_COUNTS: Final = (25, 40, 55, 70, 85, 100, 130, 170)
PERSONALIZATION_LEVELS: Final = (0, 1, 2, 3)
