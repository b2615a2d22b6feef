"""Controls, what a probe found, and what follows for each control. No input, no output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

HOLDS, FAILS, NOT_RUN = "holds", "fails", "not run"
EVIDENCED, GAP, INCOMPLETE = "evidenced", "gap", "incomplete"


class ControlsError(ValueError):
    """The document lists no controls; the text says what is wrong."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Framework(_Strict):
    """One catalogue of controls."""

    title: str
    notes: list[str] = []


class Control(_Strict):
    """One control: `gaps` are what the system does not do, whatever the probes say."""

    id: str
    framework: str
    about: str
    enforced_by: str
    probes: Annotated[list[str], Field(min_length=1)]
    events: list[str]
    tests: Annotated[list[str], Field(min_length=1)]
    gaps: list[str]


class Controls(_Strict):
    """The whole document."""

    version: str
    frameworks: dict[str, Framework]
    controls: list[Control]


@dataclass(frozen=True, slots=True)
class Found:
    """What one probe found: `holds`, `fails` or `not run`, in words, with figures; never a person or a key."""

    status: str
    words: str
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Assessed:
    """One control as it stands."""

    control: Control
    status: str
    probes: Mapping[str, Found]
    events: Mapping[str, int | None]
    tests: Mapping[str, bool | None]
    gaps: Sequence[str]


def parse(data: Any, probes: frozenset[str], codes: frozenset[str]) -> Controls:
    """Checks the document against the probes and events that there are. Raises ControlsError."""
    try:
        found = Controls.model_validate(data)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        raise ControlsError("; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in problems)) from None
    for control in found.controls:
        unknown = [*sorted(set(control.probes) - probes), *sorted(set(control.events) - codes)]
        if control.framework not in found.frameworks:
            unknown.append(control.framework)
        if unknown:
            raise ControlsError(f"{control.id}: there is no {unknown[0]}")
    return found


def assess(
    control: Control,
    probes: Mapping[str, Found],
    events: Mapping[str, int | None],
    tests: Mapping[str, bool | None],
) -> Assessed:
    """A probe that fails, or a test that is gone, is a gap. What could not be looked at leaves the control incomplete:
    only what was seen to hold is evidence."""
    own = {name: probes.get(name, Found(NOT_RUN, "there is no such probe")) for name in control.probes}
    proofs = {path: tests.get(path) for path in control.tests}
    gaps = [f"{name}: {found.words}" for name, found in own.items() if found.status == FAILS]
    gaps += [f"the test {path} is not in the tree" for path, there in proofs.items() if there is False]
    seen = all(found.status == HOLDS for found in own.values()) and all(proofs.values())
    status = GAP if gaps else EVIDENCED if seen else INCOMPLETE
    counts = {code: events.get(code) for code in control.events}
    return Assessed(control, status, own, counts, proofs, [*gaps, *control.gaps])
