"""An invented classification of industries, version ``sim``: five-character codes with their hierarchy.

Belongs here: codes, titles, definitions. They are this project's own and follow no official list, so that a simulated
registry is never taken for a real one.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final

VERSION: Final = "sim"

# Section | division | group: industries. Two neighbours share a class.
_TABLE: Final = """
A Farming
01 Growing and rearing
Crops: vegetable farming, mushroom growing, orchid nurseries, hydroponic herb growing
Animals: fish farming, prawn hatcheries, egg farming, ornamental fish breeding
B Making food
10 Food and drink manufacturing
Prepared food: noodle making, sauce and condiment making, frozen dumpling making, ready meal making, bread making
Drinks: soft drink bottling, craft beer brewing, coffee roasting, tea blending
C Making goods
20 Chemicals and plastics
Chemicals: paint manufacturing, adhesive manufacturing, cleaning chemical manufacturing, fertiliser blending
Plastics: plastic packaging manufacturing, injection moulding, rubber seal manufacturing, signage manufacturing
25 Metal and machines
Metal: sheet metal fabrication, precision machining, metal casting, steel structure fabrication, surface plating
Machines: pump manufacturing, conveyor manufacturing, packaging machine manufacturing, lift manufacturing
26 Electronics and instruments
Electronics: circuit board assembly, sensor manufacturing, semiconductor testing, battery pack assembly
Medical devices: diagnostic device manufacturing, hearing aid manufacturing, surgical instrument manufacturing
31 Furniture and print
Furniture: office furniture making, kitchen cabinet making, mattress making
Print: label printing, carton printing, garment printing
F Building
41 Construction
Buildings: house building, office building construction, factory construction, building renovation
Civil works: road works, drainage works, piling works, tunnelling works
43 Building trades
Installation: electrical wiring, plumbing installation, air conditioning installation, fire sprinkler installation,\
 solar panel installation
Finishing: house painting, floor tiling, roof waterproofing, scaffolding erection, demolition works
G Trade
46 Wholesale
Food wholesale: frozen seafood wholesale, fresh fruit wholesale, wine wholesale, rice wholesale
Industrial wholesale: fastener wholesale, marine spare parts wholesale, cable wholesale, laboratory supplies wholesale,\
 building materials wholesale
Consumer wholesale: cosmetics wholesale, toy wholesale, stationery wholesale, garment wholesale
47 Retail
Shops: pharmacies, bicycle shops, pet shops, furniture shops, spectacle shops
Online shops: online fashion retail, online grocery retail, online electronics retail, online gift retail
H Moving goods and people
49 Land transport
Trucking: container haulage, cold chain trucking, parcel delivery, house removals
Passengers: coach hire, limousine services, school bus services
50 Shipping
Ships: ship management, ship chartering, bunker supply, harbour launch services
52 Logistics
Cargo: freight forwarding, customs clearance, cargo surveying
Storage: bonded warehousing, order fulfilment, self storage
I Guests
55 Lodging
Lodging: hotels, serviced apartments, hostels
56 Eating out
Meals: restaurants, cafes, event catering, cloud kitchens, bars
J Information
58 Publishing
Publishing: book publishing, magazine publishing, mobile game publishing
62 Software
Business software: payroll software development, accounting software development, logistics software development,\
 clinic software development, online shop software development
IT services: cybersecurity consulting, cloud migration consulting, IT helpdesk outsourcing, data analytics consulting,\
 network cabling
63 Hosting
Hosting: web hosting, data centre operation, online marketplace operation
K Money
64 Finance
Lending: invoice financing, equipment leasing, pawnbroking
Money services: remittance services, payment processing, fund administration
66 Insurance
Insurance: insurance broking, claims adjusting, financial planning
L Property
68 Property
Property: property agencies, property valuation, facility management, coworking spaces
M Expertise
69 Law and accounts
Law: law firms, patent agencies, notary services
Accounts: audit firms, bookkeeping services, tax advice, corporate secretarial services
70 Advice
Advice: management consulting, human resources consulting, sustainability consulting
71 Engineering
Engineering: architecture practices, structural engineering, land surveying, materials testing
73 Marketing
Marketing: advertising agencies, digital marketing agencies, market research, trade show marketing
74 Design
Design: interior design, industrial design, commercial photography, translation services
N Support
77 Rental
Rental: car leasing, crane rental, photocopier rental, tent and stage rental
78 Staffing
Staffing: executive search, temporary staffing, domestic helper agencies
80 Security
Security: security guarding, alarm monitoring, access control installation
81 Cleaning
Cleaning: office cleaning, pest control, landscaping, window cleaning
82 Office support
Office support: call centres, exhibition organising, records storage
P Learning
85 Education
Schools: preschools, tuition centres, language schools, music schools
Training: coding schools, corporate training, driving schools
Q Health
86 Clinics
Clinics: dental clinics, family clinics, physiotherapy clinics, acupuncture clinics, medical laboratories
Care: nursing homes, home nursing, veterinary clinics
R Leisure
93 Sport and play
Leisure: fitness studios, yoga studios, swimming coaching, escape rooms, art galleries
S Everyday services
96 Personal services
Beauty: hair salons, beauty salons, nail studios
Repair: laundry services, watch repair, computer repair, car workshops, funeral services
"""


@dataclass(frozen=True)
class IndustryCode:
    """One code of any level. ``level``: section, division, group, class or subclass."""

    code: str
    level: str
    parent_code: str | None
    title: str
    definition: str


@functools.cache
def industry_codes() -> tuple[IndustryCode, ...]:
    """All codes, parents before children."""
    codes: list[IndustryCode] = []
    section = division = ""
    groups = 0
    for line in filter(None, _TABLE.strip().splitlines()):
        if ":" in line:
            groups += 1
            title, _, industries = line.partition(": ")
            codes.extend(_group(f"{division}{groups}", division, title, industries.split(", ")))
        elif line[0].isalpha():
            section, title = line[0], line[2:]
            codes.append(IndustryCode(section, "section", None, title, f"All of: {title.lower()}."))
        else:
            division, title, groups = line[:2], line[3:], 0
            codes.append(IndustryCode(division, "division", section, title, f"All of: {title.lower()}."))
    return tuple(codes)


def _group(code: str, division: str, title: str, industries: list[str]) -> list[IndustryCode]:
    codes = [IndustryCode(code, "group", division, title, f"Firms in {', '.join(industries)}.")]
    for start in range(0, len(industries), 2):
        pair = industries[start : start + 2]
        parent = f"{code}{start // 2 + 1}"
        codes.append(IndustryCode(parent, "class", code, _sentence(" and ".join(pair)), f"Firms in {', '.join(pair)}."))
        for index, industry in enumerate(pair, start=1):
            definition = f"Firms whose main business is {industry}, for companies or households."
            codes.append(IndustryCode(f"{parent}{index}", "subclass", parent, _sentence(industry), definition))
    return codes


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


@functools.cache
def industries() -> tuple[IndustryCode, ...]:
    """The five-character codes alone."""
    return tuple(code for code in industry_codes() if code.level == "subclass")


def section_of(code: str) -> str:
    """The section letter of a five-character code."""
    return _sections()[code[:2]]


@functools.cache
def _sections() -> dict[str, str]:
    return {code.code: code.parent_code or "" for code in industry_codes() if code.level == "division"}
