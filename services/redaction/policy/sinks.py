"""Where a value would go, and which kinds of values may go there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from services.redaction.policy.model import LITERAL, RulesError

EVERY = "*"
_SAID = ("allow", "never")


class Sink(Enum):
    """What a filled value becomes a part of."""

    SHOWN = "shown"
    TOOL_ARGUMENT = "tool_argument"
    EMAIL = "email"
    LINK = "link"
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class SinkRule:
    """What one layer of the policy says of one sink: entities, or `*` for every one."""

    allow: frozenset[str] = frozenset()
    never: frozenset[str] = frozenset()

    def says(self, entity: str) -> bool | None:
        """True: it may; False: it may not; None: nothing is said. A name counts more than `*`, a no more than a yes."""
        for name in (entity, EVERY):
            if name in self.never:
                return False
            if name in self.allow:
                return True
        return None


Layer = Mapping[Sink, SinkRule]


# Of a policy that says nothing of it: only what is shown is filled in.
CAREFUL: Layer = {Sink.SHOWN: SinkRule(allow=frozenset({EVERY}))}


def parse_layer(value: object, key: str, entity: Callable[[object], str]) -> Layer:
    """One layer of the policy, checked; `entity` checks the name of one."""
    if not isinstance(value, Mapping):
        raise RulesError(f"{key}: a mapping is needed")
    layer: dict[Sink, SinkRule] = {}
    for name, said in value.items():
        try:
            sink = Sink(name)
        except ValueError:
            raise RulesError(f"{key}: a sink is one of {', '.join(one.value for one in Sink)}") from None
        if not isinstance(said, Mapping) or not set(said) <= {"allow", "never"}:
            raise RulesError(f"{key}.{sink.value}: allow and never are what can be said")
        layer[sink] = SinkRule(*(_entities(said.get(what, []), f"{key}.{sink.value}", entity) for what in _SAID))
    return layer


def _entities(names: object, key: str, entity: Callable[[object], str]) -> frozenset[str]:
    if not isinstance(names, list):
        raise RulesError(f"{key}: a list is needed")
    return frozenset(EVERY if name == EVERY else entity(name) for name in names)


@dataclass(frozen=True, slots=True)
class SinkRules:
    """Layers of the policy, the most particular first. Without any, no value goes anywhere."""

    layers: tuple[Layer, ...] = field(default=())

    def allows(self, entity: str, sink: Sink) -> bool:
        """True when values of this entity may go into this sink; what no layer speaks of may not."""
        for layer in self.layers:
            rule = layer.get(sink)
            said = rule.says(entity) if rule is not None else None
            if said is not None:
                return said
        return False


@dataclass(frozen=True, slots=True)
class Outlet:
    """Where a restored text goes: the sink, what may go there, the hosts of links, and the entities there are.

    `also` are entities that the owner of the place asks for by itself (a tool's definition, for one argument).
    """

    known: Callable[[str], bool]
    hosts: frozenset[str]
    rules: SinkRules
    sink: Sink = Sink.SHOWN
    also: frozenset[str] = frozenset()

    def allows(self, entity: str, into: Sink | None = None) -> bool:
        """True when a value may be filled in here, and into the link or image that stands here, if any."""
        # A literal is what somebody typed in the shape of a placeholder: no personal data.
        here = entity == LITERAL or entity in self.also or self.rules.allows(entity, self.sink)
        return here and (into is None or self.rules.allows(entity, into))
