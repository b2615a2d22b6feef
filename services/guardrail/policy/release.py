"""What may leave in an answer: kinds of personal data that count as leaks, secrets, hosts that links may go to, and how
identifiers look that only their owner may read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.guardrail.policy.checked import each, names, only, text
from services.guardrail.policy.linear import flaw_of
from services.guardrail.policy.model import PolicyError

_KEYS = frozenset({"leaks", "link_hosts", "secrets", "identifiers"})
_ENTITY = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_ACTION = re.compile(r"[a-z]+([._][a-z]+)*")
_HOST = re.compile(r"(\*\.)?[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63}){0,8}")


@dataclass(frozen=True, slots=True)
class Secret:
    """How keys of one provider look."""

    id: str
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Identifier:
    """How identifiers of one kind of resource look, and the action that seeing one needs; no place = everyone's."""

    organisation: str
    brand: str
    type: str
    action: str
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Release:
    """The rules of an answer."""

    leaks: tuple[str, ...]
    secrets: tuple[Secret, ...]
    hosts: Mapping[tuple[str, str], frozenset[str]]
    identifiers: tuple[Identifier, ...] = ()

    def identifiers_for(self, organisation: str, brand: str) -> tuple[Identifier, ...]:
        """Those of everyone, of the organisation and of the brand."""
        places = {("", ""), (organisation, ""), (organisation, brand)}
        return tuple(each for each in self.identifiers if (each.organisation, each.brand) in places)

    def hosts_for(self, organisation: str, brand: str) -> frozenset[str]:
        """Hosts for everyone, for the organisation and for the brand."""
        none = frozenset[str]()
        places = (("", ""), (organisation, ""), (organisation, brand))
        return none.union(*(self.hosts.get(place, none) for place in places))


def release_of(data: Mapping[str, Any]) -> Release:
    """Checks the section `output` of the policy."""
    only(data, _KEYS, "output")
    leaks = names(data.get("leaks"), "output.leaks")
    if not leaks or not all(_ENTITY.fullmatch(name) for name in leaks):
        raise PolicyError("output.leaks: at least one entity in capitals is needed")
    hosts: dict[tuple[str, str], frozenset[str]] = {}
    for entry in each(data.get("link_hosts", []), "output.link_hosts"):
        only(entry, frozenset({"organisation", "brand", "hosts"}), "output.link_hosts")
        listed = names(entry.get("hosts"), "output.link_hosts.hosts")
        if not all(_HOST.fullmatch(host) for host in listed):
            raise PolicyError("output.link_hosts: a host is a name in small letters, or *. and a name")
        place = (str(entry.get("organisation", "")), str(entry.get("brand", "")))
        hosts[place] = hosts.get(place, frozenset()) | frozenset(listed)
    secrets = tuple(_secret(entry) for entry in each(data.get("secrets", []), "output.secrets"))
    identifiers = tuple(_identifier(entry) for entry in each(data.get("identifiers", []), "output.identifiers"))
    return Release(leaks, secrets, hosts, identifiers)


def _identifier(entry: Mapping[str, Any]) -> Identifier:
    only(entry, frozenset({"organisation", "brand", "type", "action", "pattern"}), "output.identifiers")
    pattern = text(entry.get("pattern"), "output.identifiers.pattern")
    kind = text(entry.get("type"), "output.identifiers.type")
    action = text(entry.get("action"), "output.identifiers.action")
    flaw = flaw_of(pattern, most_open=2)
    if flaw:
        raise PolicyError(f"output.identifiers.pattern: {flaw}")
    if not _TYPE.fullmatch(kind) or not _ACTION.fullmatch(action):
        raise PolicyError("output.identifiers: type is one word, action is like orders.read")
    return Identifier(
        str(entry.get("organisation", "")), str(entry.get("brand", "")), kind, action, re.compile(pattern)
    )


def _secret(entry: Mapping[str, Any]) -> Secret:
    only(entry, frozenset({"id", "pattern"}), "output.secrets")
    name = text(entry.get("id"), "output.secrets.id")
    pattern = text(entry.get("pattern"), f"output.secrets.{name}")
    flaw = flaw_of(pattern, most_open=3)
    if flaw or not re.fullmatch(r"[a-z0-9_.]{1,64}", name):
        raise PolicyError(f"output.secrets.{name}: {flaw or 'an id is small letters'}")
    return Secret(name, re.compile(pattern))
