"""What fills the gaps of the templates beside names: titles, kinds of roads, months, things, work, ends of firms."""

from __future__ import annotations


def _list(text: str) -> list[str]:
    return text.split("|")


TITLES = _list("Mr.|Mr|Mrs.|Mrs|Ms.|Ms|Miss|Dr.|Dr|Prof.|Professor|Sir|Madam|Doctor")
ROADS = _list(
    "Street|Street|St|St.|Road|Road|Rd|Rd.|Avenue|Ave|Ave.|Lane|Ln|Drive|Dr|Boulevard|Blvd|Way|Court|Ct|"
    "Close|Place|Terrace|Square|Crescent|Parkway|Row|Hill|Circle|Trail"
)
ROADS_BEHIND = _list("straße|strasse|weg|gasse|straat|gatan|vej|katu")
ROADS_BEFORE = _list("Rue de|rue|Avenue|Calle|Via|Rua|Piazza|Avenida")
MONTHS = _list("January|February|March|April|May|June|July|August|September|October|November|December")
PRODUCTS = _list("lamps|chairs|a laptop|shoes|the blue jacket|a phone|book|garden hose|tickets|printer|coffee machine")
ROLES = _list(
    "teacher|nurse|software engineer|driver|sales manager|Head of Sales|Chief Executive|director|"
    "Director|lawyer|accountant|President|Vice President|student|Project Manager"
)
ENDS = _list(
    "Inc.|Inc|Ltd|Ltd.|LLC|GmbH|AG|Corp.|Corporation|Group|Bank|Partners|& Sons|Holdings|Industries|University"
)
FIRST_OF_BRANDS = _list(
    "Blue|North|Green|Bright|Silver|Nova|Summit|Prime|Global|United|Pacific|Atlas|Delta|Quantum|First|Royal|Golden|"
    "Smart|Clear|Red|Urban|Digital|National|General|American|European"
)
LAST_OF_BRANDS = _list(
    "Systems|Health|Foods|Energy|Software|Logistics|Airlines|Insurance|Media|Motors|Labs|Capital|Solutions|Telecom|"
    "Pharma|Robotics|Travel|Electric|Outfitters|Networks|Financial|Mutual|Credit Union"
)
HOUSES = _list(
    "Hospital|University|High School|Clinic|Museum|City Council|Police Department|Library|College|Medical Center|"
    "Airport Authority|Chamber of Commerce|Orchestra"
)
SHOPS = _list("Bakery|Diner|Garage|Pharmacy|Hardware|Dental|Law Firm|Café|Market|Plumbing")
