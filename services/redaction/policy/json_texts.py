"""A JSON document as texts to search, and back: strings by their content, numbers as written, keys as context.

The document stays valid JSON: a replaced string is escaped again, a replaced number becomes a string. A string that
is itself a JSON document is taken apart in the same way, a few levels deep. In a list of chat messages what is said is
a text of its own, and the words of the protocol are words of a program, like keys.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from services.redaction.policy.documents import NotJson
from services.redaction.policy.model import MODEL_ENTITIES, Finding, Scan

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+\-]*|[{}\[\],:]')
_CHARACTER = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|[^\\]", re.DOTALL
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_UNREADABLE = "\ufffd"
# In a list of chat messages, by the keys that lead there: what somebody said, and what is of the protocol.
_SAID_ALONE = frozenset({("content",), ("content", "text"), ("content", "content"), ("content", "content", "text")}) | {
    ("tool_calls", "function", "arguments")
}
_OF_THE_PROTOCOL = frozenset(
    {
        ("role",),
        ("tool_call_id",),
        ("tool_calls", "id"),
        ("tool_calls", "type"),
        ("tool_calls", "function", "name"),
        ("content", "type"),
        ("content", "id"),
        ("content", "tool_use_id"),
    }
)
_DEEPEST = 4
_LEAST_NUMBER = 7


class Form(Enum):
    """What a text is."""

    TEXT = "text"
    JSON = "json"
    CHAT = "chat"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Leaf:
    """One text of a document: where it stands, its content, what was put before it as context."""

    start: int
    end: int
    content: str
    context: str = ""
    inner: Document | None = None
    quoted: bool = True
    key: bool = False

    @property
    def searched(self) -> str:
        """What is searched: the key says what the value is."""
        return self.context + self.content


@dataclass(frozen=True, slots=True)
class Document:
    """A document and its leaves, in order."""

    text: str
    leaves: tuple[Leaf, ...] = field(default=())


def document_of(text: str, form: Form) -> Document | None:
    """The texts of a document, or None when the text is to be searched as it is; raises NotJson."""
    if form is Form.TEXT or (form is Form.AUTO and text.lstrip()[:1] not in ("{", "[")):
        return None
    try:
        return taken_apart(text, chat=form is Form.CHAT)
    except NotJson:
        if form is Form.AUTO:
            return None
        raise


def taken_apart(document: str, depth: int = 0, *, chat: bool = False) -> Document:
    """The texts of a document; raises NotJson."""
    try:
        content = json.loads(document, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise NotJson from None
    if chat and not (isinstance(content, list) and all(map(_is_message, content))):
        raise NotJson
    return Document(document, tuple(_leaves(document, depth, chat)))


def _is_message(content: object) -> bool:
    return isinstance(content, dict) and isinstance(content.get("role"), str)


def own_findings(leaf: Leaf, scan: Scan) -> tuple[Finding, ...]:
    """The findings within the content, without what lies in the context before it.

    A key is a word of a program: what a model of names takes for one stays.
    """
    ahead = len(leaf.context)
    if leaf.key:
        return tuple(f for f in scan.findings if f.entity not in MODEL_ENTITIES)
    return tuple(
        Finding(f.entity, max(0, f.start - ahead), f.end - ahead, f.score, f.validated)
        for f in scan.findings
        if f.end > ahead
    )


def placed(leaf: Leaf, finding: Finding, document: str) -> tuple[int, int]:
    """Where a finding of a leaf stands in the document as written."""
    written = document[leaf.start : leaf.end]
    if not leaf.quoted or written[1:-1] == leaf.content:
        ahead = leaf.start + leaf.quoted
        return ahead + finding.start, ahead + finding.end
    ends = [0, *(match.end() for match in _CHARACTER.finditer(written[1:-1]))]
    return leaf.start + 1 + ends[finding.start], leaf.start + 1 + ends[min(finding.end, len(ends) - 1)]


def put_together(document: Document, contents: Iterator[str]) -> str:
    """The document with the new content of each of its texts; what did not change stays as it was written."""
    pieces: list[str] = []
    done = 0
    for leaf in document.leaves:
        new = next(contents) if leaf.inner is None else put_together(leaf.inner, contents)
        if new != leaf.content:
            pieces += (document.text[done : leaf.start], encoded(new))
            done = leaf.end
    pieces.append(document.text[done:])
    return "".join(pieces)


def encoded(text: str) -> str:
    """A JSON string."""
    return json.dumps(text, ensure_ascii=_SURROGATE.search(text) is not None)


def _leaves(document: str, depth: int, chat: bool) -> Iterator[Leaf]:
    in_object: list[bool] = []
    names: list[str] = []
    key = False
    for token in _TOKEN.finditer(document):
        written = token[0]
        if written in "{[":
            in_object.append(written == "{")
            names.append(names[-1] if names else "")
            key = written == "{"
        elif written in "}]":
            in_object.pop()
            names.pop()
        elif written == ",":
            key = in_object[-1]
        elif written == ":":
            key = False
        elif written[0] == '"':
            # A lone half of a character pair is no text; as one unreadable character it hides nothing beside it.
            content = _SURROGATE.sub(_UNREADABLE, json.loads(written))
            if key:
                names[-1] = content
            path = tuple(name for name, own in zip(names, in_object, strict=True) if own) if chat and not key else ()
            if key or path in _OF_THE_PROTOCOL:
                yield Leaf(*token.span(), content, key=True)
            else:
                said = "" if path in _SAID_ALONE or not names else names[-1]
                yield _string(token.span(), content, said, depth)
        elif len(written) >= _LEAST_NUMBER:
            yield Leaf(*token.span(), written, _said(names[-1] if names else ""), quoted=False)


def _string(place: tuple[int, int], content: str, name: str, depth: int) -> Leaf:
    if depth < _DEEPEST and content[:1] in ("{", "["):
        try:
            return Leaf(*place, content, inner=taken_apart(content, depth + 1))
        except NotJson:
            pass
    return Leaf(*place, content, _said(name))


def _said(name: str) -> str:
    """A key as words before the value: `cardNumber` and `card_number` speak of a card."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|[_\-.]+", " ", name[:48])
    return f"{words}: " if words else ""


def _refuse(_: str) -> None:
    raise NotJson


def leaves_of(document: Document, *, outer: Leaf | None = None) -> Iterator[tuple[Leaf, Leaf | None]]:
    """Each leaf that is searched, and the outermost string that it stands in."""
    for leaf in document.leaves:
        if leaf.inner is not None:
            yield from leaves_of(leaf.inner, outer=outer or leaf)
        else:
            yield leaf, outer


def spans_of(document: Document, found: Sequence[tuple[Finding, ...]]) -> list[Finding]:
    """All findings, placed in the document; one of an inner document covers the whole string that holds it."""
    placed_ones = []
    for (leaf, outer), findings in zip(leaves_of(document), found, strict=True):
        for finding in findings:
            start, end = (outer.start, outer.end) if outer else placed(leaf, finding, document.text)
            placed_ones.append(Finding(finding.entity, start, end, finding.score, finding.validated))
    return placed_ones
