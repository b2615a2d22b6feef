"""Gathers the lists of names and places that the names model knows: python -m tools.name_lists --out FILE.

They come from the package Faker (MIT licence), which is needed only here: install it into an environment of its own.
The result is part of the model; training reads it, and so do the workers of the service.
"""

from __future__ import annotations

import argparse
import importlib
import json
import lzma
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

# What a list of the package is a list of. Lists of countries of the world exist in 40 languages.
_PERSON = {
    "first": [
        "first_names",
        "first_names_male",
        "first_names_female",
        "first_names_nonbinary",
        "first_names_unisex",
        "first_names_est",
        "first_names_rus",
        "first_romanized_names",
        "middle_names",
        "first_names_female_islamic",
        "first_names_male_islamic",
        "first_names_female_hinduism",
        "first_names_male_hinduism",
    ],
    "last": [
        "last_names",
        "last_names_male",
        "last_names_female",
        "last_names_unisex",
        "last_names_est",
        "last_names_rus",
        "last_romanized_names",
        "unisex_last_names",
        "last_names_common",
        "last_names_without_suffix",
        "last_names_islamic",
        "last_names_hinduism",
    ],
}
_ADDRESS = {
    "place": [
        "cities",
        "city_names",
        "real_city_names",
        "states",
        "provinces",
        "regions",
        "departments",
        "counties",
        "prefectures",
        "municipalities",
        "communes",
        "districts",
        "concelhos",
        "wilayas",
        "estados",
        "metropolitan_cities",
        "settlements",
        "villages",
        "towns",
        "amphoes",
        "region_names",
    ],
    "country": ["countries"],
}
_LONGEST = 40
_MOST_OF_A_LIST = 700


def main(arguments: list[str]) -> int:
    """Writes the lists by kind and culture, packed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args(arguments)
    faker = importlib.import_module("faker")
    folder = Path(str(faker.__file__)).parent / "providers"
    lists: dict[str, dict[str, list[str]]] = {kind: {} for kind in (*_PERSON, *_ADDRESS)}
    for area, kinds in (("person", _PERSON), ("address", _ADDRESS)):
        for place in sorted((folder / area).glob("*/__init__.py")):
            culture = place.parent.name
            provider = importlib.import_module(f"faker.providers.{area}.{culture}").Provider
            for kind, names in kinds.items():
                values = _gather(provider, names)
                if values:
                    lists[kind][culture] = values
    packed = json.dumps(lists, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    chosen.out.write_bytes(lzma.compress(packed, preset=9))
    for kind, cultures in lists.items():
        print(f"{kind}: {sum(map(len, cultures.values()))} in {len(cultures)} cultures")
    return 0


def _gather(provider: type, names: Iterable[str]) -> list[str]:
    """The texts of these lists, each once, in a fixed order; of a long list an even selection."""
    found: dict[str, None] = {}
    for name in names:
        values = vars(provider).get(name, ())
        if not isinstance(values, Mapping | list | tuple | set):
            continue
        for item in values:
            text = item if isinstance(item, str) else item[-1] if isinstance(item, tuple) else ""
            text = str(text).strip()
            if 1 < len(text) <= _LONGEST and not any(c.isdigit() for c in text):
                found.setdefault(text)
    everything = sorted(found)
    step = max(1.0, len(everything) / _MOST_OF_A_LIST)
    return [everything[int(n * step)] for n in range(int(len(everything) / step))]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
