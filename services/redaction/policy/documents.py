"""Puts values back into a JSON document: into strings only, escaped; every other character stays as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from services.redaction.policy.filling import Filler, fill
from services.redaction.policy.placeholders import Filled, Slot, slots_in
from services.redaction.policy.sinks import Outlet
from services.redaction.policy.targets.url_run import WholeText

ANY = "*"
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]')
_SURROGATE = re.compile("[\ud800-\udfff]")


class NotJson(Exception):
    """The text is no JSON document. Says nothing of it."""


class NotAPointer(Exception):
    """A field to keep is not named by a JSON pointer."""


@dataclass(frozen=True, slots=True)
class Text:
    """One string of a document, where it stands, whether a value may be filled in (not: a key, a kept field), and which
    entities may whatever the rules of the sink say."""

    start: int
    end: int
    content: str
    fillable: bool
    also: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Field:
    """What its owner says of one field: values of these entities may be filled in there."""

    at: tuple[str, ...]
    entities: frozenset[str]


def pointer(written: str) -> tuple[str, ...]:
    """The steps of a JSON pointer (RFC 6901); `*` as a step means every item or member."""
    if written and not written.startswith("/"):
        raise NotAPointer
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in written.split("/")[1:])


def strings_of(document: str, keep: Sequence[tuple[str, ...]] = (), fields: Sequence[Field] = ()) -> list[Text]:
    """Every string of the document that may hold a placeholder; raises NotJson."""
    try:
        json.loads(document, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise NotJson from None
    return list(_walk(document, keep, fields))


def slots_of(strings: Sequence[Text], known: Callable[[str], bool]) -> Iterator[Slot]:
    """Every placeholder of the document."""
    return (slot for text in strings for slot, _, _ in slots_in(text.content, known))


def fill_document(
    document: str,
    strings: Sequence[Text],
    values: Mapping[Slot, str],
    outlet: Outlet,
) -> Filled:
    """The document with its values; a string that is a link from its first word on is a target as a whole."""
    pieces: list[str] = []
    done = restored = unknown = withheld = 0
    for text in strings:
        if not text.fillable:
            for slot, _, _ in slots_in(text.content, outlet.known):
                unknown += slot not in values
                withheld += slot in values
            continue
        here = replace(outlet, also=text.also) if text.also else outlet
        filled = fill(text.content, values, Filler(here, WholeText(text.content)))
        unknown += filled.unknown
        withheld += filled.withheld
        restored += filled.restored
        if filled.restored:
            pieces += (document[done : text.start], _encoded(filled.text))
            done = text.end
    pieces.append(document[done:])
    return Filled("".join(pieces), restored, unknown, withheld)


def _walk(document: str, keep: Sequence[tuple[str, ...]], fields: Sequence[Field]) -> Iterator[Text]:
    path: list[str | int] = []
    in_object: list[bool] = []
    key = False
    for token in _TOKEN.finditer(document):
        written = token[0]
        if written in "{[":
            in_object.append(written == "{")
            path.append("" if written == "{" else 0)
            key = written == "{"
        elif written in "}]":
            in_object.pop()
            path.pop()
        elif written == ",":
            key = in_object[-1]
            step = path[-1]
            if isinstance(step, int):
                path[-1] = step + 1
        elif written == ":":
            key = False
        else:
            # Most strings hold no placeholder: only those with "<", "&", or an escape that may be one, are looked into.
            if not key and "<" not in written and "&" not in written and "\\u" not in written:
                continue
            content = json.loads(written)
            if key:
                path[-1] = content
            if "<" in content or "&" in content:
                also = frozenset[str]().union(*(field.entities for field in fields if _covers(field.at, path)))
                fillable = not key and not any(_covers(kept, path) for kept in keep)
                yield Text(*token.span(), content, fillable, also)


def _covers(kept: tuple[str, ...], path: Sequence[str | int]) -> bool:
    """True when the kept field is the one at the path or holds it."""
    return len(kept) <= len(path) and all(
        step in (ANY, str(at)) for step, at in zip(kept, path[: len(kept)], strict=True)
    )


def _encoded(text: str) -> str:
    return json.dumps(text, ensure_ascii=_SURROGATE.search(text) is not None)


def _refuse(_: str) -> None:
    raise NotJson
