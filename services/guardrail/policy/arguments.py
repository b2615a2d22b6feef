"""The arguments of one tool call: parsed, validated, and the resources that they name.

Nothing is coerced and nothing is filled in. A refusal names places and rules, never a value.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema.exceptions import ValidationError

from services.guardrail.policy import strict_json
from services.guardrail.policy.definition import EGRESS, RESOURCE, SENSITIVE, Compiled, escape, resolve, resource_of

MOST_RESOURCES = 199  # one more question, the permission itself, fits one batch
_RESOURCE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,255}")
_MOST_NAMED = 8
_LONGEST_REPAIR = 2_000
_LIMITS = frozenset(
    {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "minItems",
     "maxItems", "minProperties", "maxProperties"}
)  # fmt: skip
_WORDS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
    "multipleOf": "a multiple of",
    "minLength": "a length of at least",
    "maxLength": "a length of at most",
    "minItems": "this many items at least:",
    "maxItems": "this many items at most:",
    "minProperties": "this many fields at least:",
    "maxProperties": "this many fields at most:",
}


@dataclass(frozen=True, slots=True)
class Named:
    """A resource that an argument names, and where."""

    type: str
    id: str
    pointer: str
    action: str = ""  # what it is asked for; empty = what the tool is asked for

    @property
    def askable(self) -> bool:
        """Whether such a resource can exist at all."""
        return _RESOURCE_ID.fullmatch(self.id) is not None


@dataclass(frozen=True, slots=True)
class Marked:
    """What an argument holds that leaves the product, or that decides what the call does."""

    mark: str
    value: Any
    pointer: str


@dataclass(frozen=True, slots=True)
class Arguments:
    """Arguments that fit, or the words to repair them from."""

    repair: str = ""
    resources: tuple[Named, ...] = ()
    sha256: str = ""
    marked: tuple[Marked, ...] = ()


def check(definition: Compiled, text: str) -> Arguments:
    """The exact text against the schema."""
    try:
        value = strict_json.parse(text)
    except strict_json.NotStrictError as error:
        return Arguments(repair=f"The arguments must be one strict JSON object: {error}.")
    if not isinstance(value, dict):
        return Arguments(repair="The arguments must be one JSON object.")
    lines = [
        _line(error) for error, _ in zip(definition.validator.iter_errors(value), range(_MOST_NAMED), strict=False)
    ]
    if lines:
        return Arguments(repair=" ".join(dict.fromkeys(lines))[:_LONGEST_REPAIR])
    found = list(_annotated(definition.schema, definition.schema, value, "")) if definition.annotated else []
    named = tuple(dict.fromkeys(each for each in found if isinstance(each, Named)))
    if len(named) > MOST_RESOURCES:
        return Arguments(repair=f"At most {MOST_RESOURCES} resources can be named in one call.")
    marked = tuple(each for each in found if isinstance(each, Marked))
    return Arguments(resources=named, sha256=hashlib.sha256(text.encode()).hexdigest(), marked=marked)


def _annotated(document: Mapping[str, Any], schema: Any, value: Any, pointer: str) -> Iterator[Named | Marked]:
    """All that any branch of the schema speaks of: whether that branch applied does not matter."""
    for part in resolve(document, schema):
        for mark in (EGRESS, SENSITIVE):
            if part.get(mark) is True:
                yield Marked(mark, value, pointer)
        if RESOURCE in part:
            for number, item in enumerate(value if isinstance(value, list) else [value]):
                if isinstance(item, str):
                    at = f"{pointer}/{number}" if isinstance(value, list) else pointer
                    kind, action = resource_of(part[RESOURCE])
                    yield Named(kind, item, at, action)
        if isinstance(value, dict):
            known = part.get("properties", {})
            for name, below in value.items():
                yield from _annotated(
                    document, known.get(name, part.get("additionalProperties")), below, f"{pointer}/{escape(name)}"
                )
        if isinstance(value, list):
            first = part.get("prefixItems", ())
            for number, below in enumerate(value):
                of = first[number] if number < len(first) else part.get("items")
                yield from _annotated(document, of, below, f"{pointer}/{number}")


def _line(error: ValidationError) -> str:
    """Place and rule. The library's own text shows the value, so it is never used."""
    place = _place(error)
    keyword = str(error.validator)
    wanted: Any = error.validator_value
    if keyword == "required":
        missing = [name for name in wanted if isinstance(error.instance, dict) and name not in error.instance]
        return f"{place}: missing {', '.join(missing)}."
    if keyword == "additionalProperties":
        known = ", ".join(sorted(error.schema.get("properties", {}))) if isinstance(error.schema, Mapping) else ""
        return f"{place}: only these fields are taken: {known or 'none'}."
    if keyword == "type":
        return f"{place}: must be of type {' or '.join(wanted) if isinstance(wanted, list) else wanted}."
    if keyword in ("enum", "const"):
        return f"{place}: must be {'one of ' if keyword == 'enum' else ''}{strict_json.canonical(wanted)[:300]}."
    if keyword in _LIMITS:
        return f"{place}: must be {_WORDS[keyword]} {wanted}."
    if keyword == "pattern":
        return f"{place}: must match the pattern {wanted}."
    if keyword == "uniqueItems":
        return f"{place}: every item must be there once only."
    return f"{place}: must fit {keyword} of the tool's schema."


def _place(error: ValidationError) -> str:
    """Where it is wrong, as a JSON pointer."""
    return "/" + "/".join(escape(str(step)) for step in error.absolute_path)
