"""A tool's definition: the JSON Schema of its arguments, held to what can be checked exactly and in bounded time.

Only keywords that are known here are taken, because a keyword that is quietly ignored would be a rule that nobody
enforces. References stay inside the document and do not recur; expanded, the schema is bounded.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

from services.guardrail.policy import strict_json
from services.guardrail.policy.linear import flaw_of
from services.guardrail.policy.traits import NOTHING_SAID, Traits

EGRESS, RESOURCE, SENSITIVE, RESTORE = "x-egress", "x-resource", "x-sensitive", "x-restore"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
LONGEST_STRING = 1_024  # of an argument that a pattern looks at
MOST_NODES = 3_000
_PLAIN = frozenset(
    {"$schema", "$comment", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly",
     "format", "type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
     "minLength", "maxLength", "pattern", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties",
     "required", "dependentRequired", EGRESS, RESOURCE, SENSITIVE, RESTORE}
)  # fmt: skip
_NAMED = frozenset({"properties", "$defs"})
_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_SINGLE = frozenset({"items", "additionalProperties"})
_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_ENTITY = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_ACTION = re.compile(r"[a-z]+(?:[._][a-z]+)*")
_REFERENCE = re.compile(r"#/\$defs/([A-Za-z0-9_.-]{1,64})")


class DefinitionError(ValueError):
    """A definition that is not taken; the text is for its author: a place in the schema, and the rule."""


@dataclass(frozen=True)
class Definition:
    """A tool as registered; `schema` is canonical JSON text."""

    tool: str
    schema: str
    permission: str
    description: str
    traits: Traits = NOTHING_SAID

    @cached_property
    def hash(self) -> str:
        """Pins every word of it."""
        facts = {
            "description": self.description,
            "permission": self.permission,
            "schema": self.schema,
            "tool": self.tool,
            **self.traits.facts(),
        }
        return hashlib.sha256(strict_json.canonical(facts).encode()).hexdigest()


@dataclass(frozen=True)
class Compiled:
    """A schema ready for use."""

    schema: Mapping[str, Any]
    validator: Validator
    egress: tuple[str, ...]
    annotated: bool


def _pattern(_: Any, pattern: str, value: Any, schema: Mapping[str, Any]) -> Iterator[ValidationError]:
    """Longer than `maxLength` is refused by that keyword already, and is not searched."""
    if isinstance(value, str) and len(value) <= int(schema["maxLength"]) and not re.search(pattern, value):
        yield ValidationError("pattern")


_VALIDATOR: Any = extend(Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]


def define(tool: str, schema_json: str, permission: str, description: str, traits: Traits = NOTHING_SAID) -> Definition:
    """Checks a definition; raises DefinitionError."""
    try:
        schema = strict_json.parse(schema_json)
    except strict_json.NotStrictError as error:
        raise DefinitionError(f"schema_json: {error}") from None
    if not isinstance(schema, dict) or schema.get("type") != "object":
        raise DefinitionError('schema_json: the arguments are an object: "type": "object" is needed at the top')
    if schema.get("$schema", DIALECT) != DIALECT:
        raise DefinitionError("schema_json: the dialect is JSON Schema 2020-12")
    _Check(schema).run()
    # What the author did not say about further arguments is said here, and so is part of what is pinned.
    schema.setdefault("additionalProperties", False)
    text = strict_json.canonical(schema)
    if len(compiled(text).egress) > 256:
        raise DefinitionError("schema_json: more than 256 egress arguments")
    return Definition(tool, text, permission, description, traits)


@lru_cache(maxsize=1_024)
def compiled(schema: str) -> Compiled:
    """The schema of a definition, compiled once per wording."""
    document = strict_json.parse(schema)
    egress = tuple(sorted(set(_egress(document, document, ""))))
    annotated = any(f'"{mark}"' in schema for mark in (EGRESS, RESOURCE, SENSITIVE))
    return Compiled(document, _VALIDATOR(document), egress, annotated)


def resolve(document: Mapping[str, Any], schema: Any) -> Iterator[Mapping[str, Any]]:
    """The schema, what it refers to, and every branch of it: all that can say something about one value."""
    if not isinstance(schema, Mapping):
        return
    yield schema
    if "$ref" in schema:
        yield from resolve(document, _target(document, schema["$ref"]))
    for keyword in ("allOf", "anyOf", "oneOf"):
        for branch in schema.get(keyword, ()):
            yield from resolve(document, branch)


def _target(document: Mapping[str, Any], reference: object) -> Any:
    match = _REFERENCE.fullmatch(str(reference))
    return document.get("$defs", {}).get(match[1]) if match else None


def _egress(document: Mapping[str, Any], schema: Any, pointer: str) -> Iterator[str]:
    """Pointers of what leaves the product; where the place is not fixed (a list), all of it counts."""
    for part in resolve(document, schema):
        if part.get(EGRESS) is True:
            yield pointer
        for name, below in part.get("properties", {}).items():
            yield from _egress(document, below, f"{pointer}/{escape(name)}")
        for below in (part.get("items"), part.get("additionalProperties"), *part.get("prefixItems", ())):
            if any(True for _ in _egress(document, below, "")):
                yield pointer


def resource_of(annotation: object) -> tuple[str, str]:
    """The type, and the action that it is asked for; no action = the tool's own. No type = no such annotation."""
    if isinstance(annotation, Mapping) and set(annotation) == {"type", "action"}:
        kind, action = annotation["type"], annotation["action"]
    else:
        kind, action = annotation, ""
    return (kind, action) if isinstance(kind, str) and isinstance(action, str) else ("", "")


def escape(name: str) -> str:
    """A name as a step of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


class _Check:
    """Walks a schema as if every reference were written out."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._nodes = 0

    def run(self) -> None:
        """Raises DefinitionError for the first thing that is not taken."""
        for name, definition in self._schema.get("$defs", {}).items() if self._has_definitions() else ():
            if not _REFERENCE.fullmatch(f"#/$defs/{name}"):
                raise DefinitionError("schema_json: a name in $defs is letters, digits, dots and dashes")
            self._walk(definition, f"/$defs/{escape(name)}", ())
        self._walk(self._schema, "", ())
        try:
            Draft202012Validator.check_schema(self._schema)
        except SchemaError as error:
            place = "/".join(escape(str(step)) for step in error.absolute_path)
            raise DefinitionError(f"schema_json: /{place} is not valid JSON Schema") from None

    def _has_definitions(self) -> bool:
        if not isinstance(self._schema.get("$defs", {}), Mapping):
            raise DefinitionError("schema_json: $defs is a mapping")
        return True

    def _walk(self, schema: Any, place: str, inside: tuple[str, ...]) -> None:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise DefinitionError(f"schema_json: larger than {MOST_NODES} schemas with every reference written out")
        if isinstance(schema, bool):
            return
        if not isinstance(schema, Mapping):
            raise DefinitionError(f"schema_json: {place or '/'} is not a schema")
        for keyword, value in schema.items():
            at = f"{place}/{keyword}"
            if keyword == "$ref":
                self._follow(value, at, inside)
            elif keyword == "$defs" and not place:
                continue
            elif keyword in _NAMED:
                for name, below in _named(value, at):
                    self._walk(below, f"{at}/{escape(name)}", inside)
            elif keyword in _LISTS:
                for number, below in enumerate(_listed(value, at)):
                    self._walk(below, f"{at}/{number}", inside)
            elif keyword in _SINGLE:
                self._walk(value, at, inside)
            elif keyword not in _PLAIN:
                raise DefinitionError(f"schema_json: {at}: this keyword is not supported")
        _check_annotations(schema, place)

    def _follow(self, reference: object, at: str, inside: tuple[str, ...]) -> None:
        target = _target(self._schema, reference)
        if target is None:
            raise DefinitionError(f"schema_json: {at}: a reference leads to #/$defs/... of this document")
        if str(reference) in inside:
            raise DefinitionError(f"schema_json: {at}: a definition must not contain itself")
        self._walk(target, at, (*inside, str(reference)))


def _named(value: Any, at: str) -> list[tuple[str, Any]]:
    if not isinstance(value, Mapping) or at.endswith("/$defs"):
        raise DefinitionError(f"schema_json: {at} must be a mapping, and $defs stands at the top")
    return list(value.items())


def _listed(value: Any, at: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise DefinitionError(f"schema_json: {at} must be a list of schemas")
    return value


def _check_annotations(schema: Mapping[str, Any], place: str) -> None:
    where = f"schema_json: {place or '/'}"
    for mark in (EGRESS, SENSITIVE):
        if not isinstance(schema.get(mark, False), bool):
            raise DefinitionError(f"{where}: {mark} is true or false")
    kinds = schema.get(RESTORE, ["ANY"])
    named = isinstance(kinds, list) and 0 < len(kinds) <= 64
    if not named or not all(isinstance(kind, str) and _ENTITY.fullmatch(kind) for kind in kinds):
        raise DefinitionError(f"{where}: {RESTORE} is a list of types of personal data, e.g. CREDIT_CARD")
    if RESOURCE in schema:
        kind, action = resource_of(schema[RESOURCE])
        if not _TYPE.fullmatch(kind) or (action and not _ACTION.fullmatch(action)):
            raise DefinitionError(f"{where}: {RESOURCE} is a type, e.g. Brand, or a mapping of type and action")
        items = schema.get("items")
        strings = schema.get("type") == "string" or (
            schema.get("type") == "array" and isinstance(items, Mapping) and items.get("type") == "string"
        )
        if not strings or "prefixItems" in schema:
            raise DefinitionError(f"{where}: {RESOURCE} stands on a string or a list of strings")
    if "pattern" in schema:
        flaw = flaw_of(str(schema["pattern"])) if isinstance(schema["pattern"], str) else "is a text"
        most = schema.get("maxLength")
        if flaw:
            raise DefinitionError(f"{where}: the pattern {flaw}")
        if isinstance(most, bool) or not isinstance(most, int) or most > LONGEST_STRING:
            raise DefinitionError(f"{where}: a pattern needs a maxLength of at most {LONGEST_STRING}")
