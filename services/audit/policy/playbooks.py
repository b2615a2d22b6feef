"""What is done about a detection, how far without asking, and how it is taken back. No input, no output."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.audit.policy.detection import Detection


class Mode(StrEnum):
    """Where actions stop."""

    OBSERVE = "observe"
    SUGGEST = "suggest"
    ENFORCE = "enforce"


class State(StrEnum):
    """Of an action. From DOING and UNDOING somebody goes on when whoever began is gone."""

    OBSERVED = "observed"
    WAITING = "waiting"
    DOING = "doing"
    DONE = "done"
    UNDOING = "undoing"
    UNDONE = "undone"
    DROPPED = "dropped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Kind:
    """An action there is. `subject`: the kind of subject that it is done to. `inverse`: how it is taken back, empty
    when it cannot be. `asks`: always only after approval. `capped`: counts against the cap of its organisation."""

    subject: str
    inverse: str
    asks: bool = False
    capped: bool = True


KINDS = {
    "slow_address": Kind("address", "forgive"),
    "stop_address": Kind("address", "forgive"),
    "slow_user": Kind("user", "forgive"),
    "stop_user": Kind("user", "forgive"),
    "block_user": Kind("user", "lift"),
    "hold_key": Kind("key", "lift"),
    "step_up": Kind("session", ""),
    "kill_sessions": Kind("user", ""),
    "revoke_tokens": Kind("user", "", asks=True),
    "revoke_keys": Kind("key", "", asks=True),
    "freeze_exports": Kind("organisation", "thaw"),
    "notify": Kind("organisation", "", capped=False),
}
"""`step_up` ends the session that was used, `kill_sessions` every one of the user: both only mean signing in again."""


@dataclass(frozen=True, slots=True)
class Step:
    """One action of a playbook; `seconds` after which it is taken back by itself, 0 = never."""

    do: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Planned:
    """An action as it begins."""

    action_id: str
    do: str
    subject: str
    state: State
    why: str
    seconds: float


def incident_id(found: Detection) -> str:
    """The same for the same detection, whoever finds it again after a crash."""
    return "inc_" + _digest(found.rule.id, found.subject.organisation, str(found.position))


def plan(found: Detection, steps: Sequence[Step], mode: Mode, room: int) -> list[Planned]:
    """The actions of a playbook for a detection; `room` is how many subjects the cap still lets through. What the
    events did not prove (no session, no key) is left out."""
    planned: list[Planned] = []
    incident = incident_id(found)
    for place, step in enumerate(steps):
        kind = KINDS[step.do]
        name = _subject(found, kind.subject)
        if name is None:
            continue
        state, why = _begin(kind, mode, capped=kind.capped and room <= 0)
        action = "act_" + _digest(incident, str(place), step.do)
        planned.append(Planned(action, step.do, name, state, why, step.seconds))
    return planned


def _begin(kind: Kind, mode: Mode, *, capped: bool) -> tuple[State, str]:
    if mode is Mode.OBSERVE:
        return State.OBSERVED, ""
    if not kind.capped:
        return State.DOING, ""
    if kind.asks:
        return State.WAITING, "always"
    if mode is Mode.SUGGEST:
        return State.WAITING, "suggested"
    return (State.WAITING, "cap") if capped else (State.DOING, "")


def _subject(found: Detection, kind: str) -> str | None:
    subject = found.subject
    if kind == "organisation":
        return subject.organisation
    if subject.kind == kind:
        return subject.name
    # Who asked from a bad address is not thereby bad: only what belongs to a proven user follows from him.
    return subject.known.get(kind) if subject.kind in ("user", "key", "session") and kind != "address" else None


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
