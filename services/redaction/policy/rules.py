"""The policy data, checked: a base for everyone and additions for an organisation or one of its brands."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from services.redaction.policy.custom import Custom, custom_of
from services.redaction.policy.model import (
    LITERAL,
    MODEL_ENTITIES,
    OWN_ENTITIES,
    OwnRecognizer,
    Rules,
    RulesError,
    WhenLate,
)
from services.redaction.policy.placeholders import is_entity_name
from services.redaction.policy.sinks import CAREFUL, Layer, SinkRules, parse_layer
from services.redaction.policy.targets.hosts import is_host

_KEYS = frozenset(
    {"version", "entities", "threshold", "thresholds", "priority", "link_hosts", "names", "placeholders", "restore"}
) | {"additions"}
_MOST_RECOGNIZERS = 64
_ADDITION_KEYS = frozenset({"organisation", "brand", "entities", "link_hosts", "names", "recognizers", "restore"})


@dataclass(frozen=True, slots=True)
class Addition:
    """Entities and link hosts beyond the base, and what late names mean; an empty brand is every one."""

    organisation: str
    brand: str
    entities: frozenset[str]
    link_hosts: frozenset[str] = frozenset()
    names_late: WhenLate | None = None
    recognizers: tuple[Custom, ...] = ()
    restore: Layer = field(default_factory=dict)

    def meant_for(self, organisation: str, brand: str) -> bool:
        """True when the addition is in force there."""
        return self.organisation == organisation and self.brand in ("", brand)


@dataclass(frozen=True, slots=True)
class RuleBook:
    """The rules in force and the entities that this installation can find at all."""

    base: Rules
    additions: tuple[Addition, ...]
    findable: frozenset[str]
    restore: Layer = field(default_factory=lambda: CAREFUL)

    @property
    def _own(self) -> frozenset[str]:
        """Entities of recognizers that organisations bring."""
        return frozenset(one.entity for addition in self.additions for one in addition.recognizers)

    @property
    def version(self) -> str:
        """Version of the data behind it."""
        return self.base.version

    @property
    def sets(self) -> list[frozenset[str]]:
        """Entities that are asked for together, by what the file says of organisations and brands."""
        whose = dict.fromkeys((one.organisation, one.brand) for one in self.additions)
        return [self.base.entities, *(self.rules_for(*who).entities for who in whose)]

    def knows(self, entity: str) -> bool:
        """True when a placeholder of this entity can have been issued by some policy."""
        return entity in self.findable or entity in MODEL_ENTITIES or entity == LITERAL or entity in self._own

    def rules_for(self, organisation: str, brand: str, also: frozenset[str] = frozenset()) -> Rules:
        """Base, additions and what the caller asks for on top: never less than the base."""
        entities = self.base.entities | also
        late = self.base.names_late
        recognizers: tuple[OwnRecognizer, ...] = ()
        # What is said of one brand counts more than what is said of all.
        for addition in sorted(self.additions, key=lambda one: one.brand != ""):
            if addition.meant_for(organisation, brand):
                entities |= addition.entities
                recognizers += addition.recognizers
                late = addition.names_late or late
        if entities == self.base.entities and late is self.base.names_late and not recognizers:
            return self.base
        entities |= {one.entity for one in recognizers}
        return replace(self.base, entities=entities, names_late=late, recognizers=recognizers)

    def link_hosts_for(self, organisation: str, brand: str) -> frozenset[str]:
        """Hosts into whose links a value may be filled."""
        own = (addition.link_hosts for addition in self.additions if addition.meant_for(organisation, brand))
        return self.base.link_hosts.union(*own)

    def sinks_for(self, organisation: str, brand: str) -> SinkRules:
        """What may be filled in where: what is said of the brand first, then of the organisation, then of everyone."""
        own = [addition for addition in self.additions if addition.meant_for(organisation, brand) and addition.restore]
        own.sort(key=lambda one: one.brand == "")
        return SinkRules((*(one.restore for one in own), self.restore))

    def not_searched(self, rules: Rules) -> tuple[str, ...]:
        """Entities that the rules ask for and nothing here can find."""
        return tuple(sorted(rules.entities - self.findable - {one.entity for one in rules.recognizers}))


def parse_rules(
    document: object, extra: frozenset[str] = frozenset(), thresholds: Mapping[str, float] | None = None
) -> RuleBook:
    """Check the policy data; `extra` are the entities that further detectors can find, from their `thresholds` on."""
    findable = OWN_ENTITIES | extra
    data = _mapping(document, "policy")
    _only(data, _KEYS, "policy")
    base = Rules(
        entities=_entities(data.get("entities"), findable, "entities"),
        threshold=_share(data.get("threshold", 0.4), "threshold"),
        thresholds=dict(thresholds or {})
        | {
            _entity(name, findable, "thresholds"): _share(value, f"thresholds.{name}")
            for name, value in _mapping(data.get("thresholds", {}), "thresholds").items()
        },
        priority=tuple(_entity(name, findable, "priority") for name in _list(data.get("priority", []), "priority")),
        version=_version(data),
        link_hosts=_hosts(data.get("link_hosts", []), "link_hosts"),
        tagged=_tagged(data.get("placeholders", "readable")),
        names_late=_late(data.get("names", {}), "names") or WhenLate.CLOSED,
    )
    additions = tuple(_addition(entry, findable) for entry in _list(data.get("additions", []), "additions"))
    restore = parse_layer(data["restore"], "restore", _named(findable)) if "restore" in data else CAREFUL
    return RuleBook(base, additions, findable, restore)


def _version(data: Mapping[str, object]) -> str:
    digest = hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()[:12]
    return f"{data.get('version', 1)}-{digest}"


def _addition(entry: object, findable: frozenset[str]) -> Addition:
    fields = _mapping(entry, "additions")
    _only(fields, _ADDITION_KEYS, "additions")
    organisation, brand = fields.get("organisation"), fields.get("brand", "")
    if not isinstance(organisation, str) or not organisation or not isinstance(brand, str):
        raise RulesError("additions: organisation (and brand, if any) must be names")
    hosts = _hosts(fields.get("link_hosts", []), "additions.link_hosts")
    late = _late(fields.get("names", {}), "additions.names")
    own = _recognizers(fields.get("recognizers", []), findable)
    names = _named(findable.union(one.entity for one in own))
    restore = parse_layer(fields.get("restore", {}), "additions.restore", names)
    if (hosts or late or own or restore) and "entities" not in fields:
        return Addition(organisation, brand, frozenset(), hosts, late, own, restore)
    entities = _entities(fields.get("entities"), findable, "additions.entities")
    return Addition(organisation, brand, entities, hosts, late, own, restore)


def _named(findable: frozenset[str]) -> Callable[[object], str]:
    return lambda name: _entity(name, findable, "restore")


def _recognizers(value: object, findable: frozenset[str]) -> tuple[Custom, ...]:
    entries = _list(value, "recognizers")
    if len(entries) > _MOST_RECOGNIZERS:
        raise RulesError(f"recognizers: at most {_MOST_RECOGNIZERS}")
    return tuple(custom_of(_mapping(entry, "recognizers"), findable) for entry in entries)


def _late(value: object, key: str) -> WhenLate | None:
    fields = _mapping(value, key)
    _only(fields, frozenset({"when_late"}), key)
    if "when_late" not in fields:
        return None
    try:
        return WhenLate(fields["when_late"])
    except ValueError:
        raise RulesError(f"{key}.when_late: closed or patterns_only is needed") from None


def _hosts(value: object, key: str) -> frozenset[str]:
    hosts = frozenset(host if isinstance(host, str) else "" for host in _list(value, key))
    if not all(map(is_host, hosts)):
        raise RulesError(f"{key}: full host names in small letters are needed, without port or path")
    return hosts


def _entities(value: object, findable: frozenset[str], key: str) -> frozenset[str]:
    names = frozenset(_entity(name, findable, key) for name in _list(value, key))
    if not names:
        raise RulesError(f"{key}: at least one entity is needed")
    return names


def _entity(name: object, findable: frozenset[str], key: str) -> str:
    if not isinstance(name, str) or not is_entity_name(name):
        raise RulesError(f"{key}: an entity is written in capitals and has no number at its end")
    if name not in findable and name not in MODEL_ENTITIES:
        raise RulesError(f"{key}: nothing here can ever find {name}")
    return name


def _share(value: object, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise RulesError(f"{key}: a number from 0 to 1 is needed")
    return float(value)


def _tagged(value: object) -> bool:
    if value not in ("readable", "tagged"):
        raise RulesError("placeholders: readable or tagged")
    return value == "tagged"


def _only(data: Mapping[str, object], allowed: frozenset[str], key: str) -> None:
    unknown = sorted(set(data) - allowed)
    if unknown:
        raise RulesError(f"{key}: unknown key {unknown[0]}")


def _mapping(value: object, key: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise RulesError(f"{key}: a mapping is needed")
    return {str(name): item for name, item in value.items()}


def _list(value: object, key: str) -> list[object]:
    if not isinstance(value, list):
        raise RulesError(f"{key}: a list is needed")
    return value
