"""Tool calls as a talked-round model might write them, each with what the table says of it.

A case is made of pieces of which the maker knows what they are: a name of the caller's own, another organisation's, one
that only looks like either; a value that fits and one that does not. Nothing here asks the guardrail's own code.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from hauberk.common.v1 import decision_pb2 as common

from bench.toolcalls_house import ORGANISATIONS, TOOLS, USERS, brands_of, documents_of, may_call, may_name

OK, HIDDEN, MALFORMED, FOREIGN = (
    (common.OUTCOME_ALLOW, common.REASON_NONE),
    (common.OUTCOME_DENY, common.REASON_NOT_PERMITTED),
    (common.OUTCOME_DENY, common.REASON_TOOL_CALL_REFUSED),
    (common.OUTCOME_DENY, common.REASON_NOT_PERMITTED),
)
_LOOKALIKE = str.maketrans("aeopcx", "аеорсх")
_DISGUISES: tuple[Callable[[str], str], ...] = (
    str.upper,
    str.title,
    lambda name: name + " ",
    lambda name: " " + name,
    lambda name: name + "\u200b",
    lambda name: name + "\x00",
    lambda name: name.translate(_LOOKALIKE),
    lambda name: name.replace("-", "%2d"),
    lambda name: "%" + format(ord(name[0]), "x") + name[1:],
    lambda name: "0" + name,
    lambda name: name + "/",
    lambda name: "./" + name,
    lambda name: "../" + name,
    lambda name: "*" * bool(name),
    lambda name: name[:0],
    lambda name: name[::-1] + "'--",
    lambda name: "ａ" + name,
    lambda name: name * 60,
)
_NOT_TEXT = ("7", "0", "null", "true", "1e3", '{"id": "shop"}', '["shop"]')


@dataclass
class Case:
    """One call. `expected` is None only while it is made."""

    organisation: str
    user: str
    tool: str
    text: str = ""
    expected: tuple[int, int] = OK
    extra: bool = False
    named: list[tuple[str, str]] = field(default_factory=list)

    @property
    def crosses(self) -> bool:
        """Whether it names what only another organisation has."""
        others = [other for other in ORGANISATIONS if other != self.organisation]
        own = brands_of(self.organisation) | set(documents_of(self.organisation))
        theirs = {name for other in others for name in brands_of(other) | set(documents_of(other))}
        return any(name in theirs - own for _, name in self.named)


class _Maker:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.fits = True
        self.strict = True

    def case(self) -> Case:
        pick = self.random.choice
        made = Case(
            pick(ORGANISATIONS), pick(USERS), pick([*TOOLS, *TOOLS, "Report", "report ", "delete", "rep\u043ert"])
        )
        members = [self.pair("brand", self.name(made, "Brand"))]
        if self.chance(0.05):
            members, self.fits = [], False
            made.named.clear()
        if self.chance(0.3):
            count = self.random.randint(0, 5)
            self.fits = self.fits and count <= 4
            members.append(self.pair("brands", "[" + ", ".join(self.name(made, "Brand") for _ in range(count)) + "]"))
        if self.chance(0.4):
            members.append(self.pair("days", self.days()))
        if self.chance(0.3):
            members.append(self.pair("filter", self.filter(made)))
        if self.chance(0.06):
            members.append(self.undeclared(made))
        self.random.shuffle(members)
        made.text = self.spoil("{" + ", ".join(members) + "}", members)
        made.expected = self.verdict(made)
        return made

    def verdict(self, made: Case) -> tuple[int, int]:
        if not may_call(made.organisation, made.user, made.tool):
            return HIDDEN
        if not (self.fits and self.strict):
            return MALFORMED
        free = all(may_name(made.organisation, made.user, kind, name) for kind, name in made.named)
        return OK if free else FOREIGN

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def name(self, made: Case, kind: str) -> str:
        """As JSON text."""
        if self.chance(0.04):
            self.fits = False
            return self.random.choice(_NOT_TEXT)
        owner = made.organisation if self.chance(0.85) else self.random.choice(ORGANISATIONS)
        known = sorted(brands_of(owner) if kind == "Brand" else documents_of(owner))
        chosen = self.random.choice(known)
        if self.chance(0.08):
            chosen = self.random.choice(_DISGUISES)(chosen)
        made.named.append((kind, chosen))
        if self.chance(0.2):  # another spelling of the very same text
            return '"' + "".join(f"\\u{ord(c):04x}" for c in chosen) + '"'
        return json.dumps(chosen, ensure_ascii=self.chance(0.5))

    def days(self) -> str:
        if self.chance(0.8):
            return str(self.random.randint(1, 31))
        self.fits = False
        return self.random.choice(('"7"', "0", "32", "-1", "1.5", "true", "null", "[]", '"١"'))

    def filter(self, made: Case) -> str:
        members = [self.pair("document", self.name(made, "Document"))]
        if self.chance(0.3):
            members.append(self.pair("deep", "true"))
        if self.chance(0.1):
            members.append(self.undeclared(made))
        return "{" + ", ".join(members) + "}"

    def undeclared(self, made: Case) -> str:
        self.fits, made.extra = False, True
        names = (
            "tenant",
            "organisation",
            "org_id",
            "Brand",
            "brand ",
            "br\u0430nd",
            "user",
            "__proto__",
            "",
            "x-resource",
        )
        return self.pair(self.random.choice(names), json.dumps(self.random.choice(["shop", "brix", 1, None])))

    def pair(self, name: str, value: str) -> str:
        return f"{json.dumps(name)}: {value}"

    def spoil(self, text: str, members: list[str]) -> str:
        """Now and then what is no strict JSON."""
        if not self.chance(0.05):
            return text
        self.strict = False
        spoiled = [text + " x", text[:-1], text.replace("{", "[", 1), "\ufeff" + text, f"[{text}]", "", "null"]
        spoiled.append('{"days": NaN, ' + text[1:] if members else "NaN")
        spoiled.append("{" + members[0] + ", " + text[1:] if members else "{,}")
        return self.random.choice(spoiled)


def case(seed: int) -> Case:
    """The same for the same number."""
    return _Maker(seed).case()
