"""Nationalities, religions and political groups, by the words for them. With a capital: "polish" is done to shoes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.redaction.policy.model import Finding

ENTITY = "NRP"
_LISTED = """Afghan African Albanian Algerian American Andorran Angolan Argentine Argentinian Armenian Asian Australian
    Austrian Azerbaijani Azeri Bahamian Bahraini Bangladeshi Barbadian Basque Belarusian Belgian Belizean Beninese
    Bhutanese Bolivian Bosnian Botswanan Brazilian Brit British Briton Bruneian Bulgarian Burkinabe Burmese
    Burundian Cambodian Cameroonian Canadian Catalan Chadian Chilean Chinese Colombian Comorian Congolese Croat
    Croatian Cuban Cypriot Czech Dane Danish Dominican Dutch Dutchman Ecuadorian Egyptian Emirati English Englishman
    Eritrean Estonian Ethiopian European Fijian Filipina Filipino Finn Finnish Flemish Frenchman French Gabonese
    Gambian Georgian German Ghanaian Greek Grenadian Guatemalan Guinean Guyanese Haitian Hispanic Honduran Hungarian
    Icelander Icelandic Indian Indonesian Iranian Iraqi Irish Irishman Israeli Italian Ivorian Jamaican Japanese
    Jordanian Kazakh Kenyan Korean Kosovar Kurd Kurdish Kuwaiti Kyrgyz Laotian Latino Latina Latvian Lebanese
    Liberian Libyan Lithuanian Luxembourger Macedonian Malagasy Malawian Malaysian Maldivian Malian Maltese
    Mauritanian Mauritian Mexican Moldovan Monegasque Mongolian Montenegrin Moroccan Mozambican Namibian Nepalese
    Nepali Nicaraguan Nigerian Nigerien Norwegian Omani Pakistani Palestinian Panamanian Paraguayan Persian Peruvian
    Portuguese Qatari Romanian Russian Rwandan Salvadoran Samoan Saudi Scot Scottish Senegalese Serb Serbian
    Singaporean Slovak Slovakian Slovene Slovenian Somali Spaniard Spanish Sudanese Surinamese Swazi Swede Swedish
    Swiss Syrian Taiwanese Tajik Tanzanian Thai Tibetan Togolese Tongan Trinidadian Tunisian Turk Turkish Turkmen
    Ugandan Ukrainian Uruguayan Uzbek Venezuelan Vietnamese Welsh Welshman Yemeni Zambian Zimbabwean Adventist
    Agnostic Anglican Atheist Baptist Buddhist Calvinist Catholic Christian Evangelical Hindu Jain Jew Jewish
    Lutheran Mennonite Methodist Mormon Muslim Pentecostal Presbyterian Protestant Quaker Rastafarian Shia Shiite
    Sikh Sunni Taoist Zoroastrian Communist Democrat Marxist Republican Socialist Tory"""
_WORDS = frozenset(_LISTED.split())
_WORD = re.compile(r"(?<![\w@])[A-Z][a-z]{2,14}(?!\w)")


def find_groups(text: str) -> Iterator[Finding]:
    """Yield the words, plurals among them."""
    for match in _WORD.finditer(text):
        word = match[0]
        if word in _WORDS or (word[-1] == "s" and word[:-1] in _WORDS):
            yield Finding(ENTITY, match.start(), match.end(), 0.5)
