"""What became of many requests: outcomes, deciding layers, personal data by type, answers given back, times."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hauberk.gateway.v1 import gateway_service_pb2 as pb
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cli.failure import Failure
from cli.latency import summary
from cli.show import decided_by
from cli.words import colour_of, outcome_name, outcome_word, reason_name, reason_words

# Refusals that mean that a layer could not decide, and not that it decided against the request.
COULD_NOT = {"STAGE_UNAVAILABLE", "DEADLINE_SPENT"}


@dataclass(slots=True)
class Tally:
    """Counts of one run."""

    users: int = 0
    bad_lines: int = 0
    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    layers: Counter[tuple[str, str]] = field(default_factory=Counter)
    entities: Counter[str] = field(default_factory=Counter)
    with_personal_data: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    degraded: int = 0
    not_searched: set[str] = field(default_factory=set)
    times: list[float] = field(default_factory=list)
    completions: Counter[str] = field(default_factory=Counter)
    completion_layers: Counter[tuple[str, str]] = field(default_factory=Counter)
    completion_errors: Counter[str] = field(default_factory=Counter)
    completion_times: list[float] = field(default_factory=list)
    restored: int = 0

    def count(self, answer: pb.AdmitResponse, took: float) -> None:
        """One decision."""
        name = outcome_name(answer.outcome)
        self.outcomes[name] += 1
        self.times.append(took)
        self.degraded += answer.degraded
        if name != "ALLOW":
            self.layers[answer.decided_by or "-", reason_name(answer.reason)] += 1
        found = [entity for message in answer.messages for entity in message.entities]
        self.entities.update(found)
        self.with_personal_data += bool(found)
        self.not_searched.update(answer.entities_not_searched)

    def fail(self, failure: Failure, took: float) -> None:
        """A request that could not be decided."""
        self.times.append(took)
        self.errors[f"{failure.code} {failure.reason}".strip()] += 1

    def count_completion(self, answer: pb.CompleteResponse, took: float) -> None:
        """One answer of the model that came back, or not."""
        name = outcome_name(answer.outcome)
        self.completions[name] += 1
        self.completion_times.append(took)
        self.degraded += answer.degraded
        self.restored += answer.restored
        if name != "ALLOW":
            self.completion_layers[decided_by(answer) or "-", reason_name(answer.reason)] += 1

    def fail_completion(self, failure: Failure, took: float) -> None:
        """An answer about which nothing could be decided."""
        self.completion_times.append(took)
        self.completion_errors[f"{failure.code} {failure.reason}".strip()] += 1

    @property
    def undecided(self) -> int:
        """Requests and answers that could not be decided: errors, and refusals for want of a layer's word."""
        errors = self.errors.total() + self.completion_errors.total()
        refused = [*self.layers.items(), *self.completion_layers.items()]
        return errors + sum(count for (_, reason), count in refused if reason in COULD_NOT)

    @property
    def requests(self) -> int:
        """How many were sent."""
        return len(self.times)

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "requests": self.requests,
            "users": self.users,
            "bad_lines": self.bad_lines,
            "outcomes": dict(self.outcomes.most_common()),
            "refused_by": _refused_by(self.layers),
            "errors": dict(self.errors.most_common()),
            "degraded": self.degraded,
            "with_personal_data": self.with_personal_data,
            "entities": dict(self.entities.most_common()),
            "entities_not_searched": sorted(self.not_searched),
            "latency_ms": summary(self.times),
            "seconds": round(self.seconds, 3),
            "per_second": round(self.requests / self.seconds, 1) if self.seconds else 0.0,
            "undecided": self.undecided,
            "completions": dict(self.completions.most_common()),
            "completions_refused_by": _refused_by(self.completion_layers),
            "completion_errors": dict(self.completion_errors.most_common()),
            "restored_values": self.restored,
            "completion_latency_ms": summary(self.completion_times),
        }


def _refused_by(layers: Counter[tuple[str, str]]) -> list[dict[str, Any]]:
    return [{"layer": layer, "reason": reason, "count": count} for (layer, reason), count in layers.most_common()]


def render(tally: Tally) -> RenderableType:
    """The summary for a person."""
    table = Table.grid(padding=(0, 2))
    table.add_column(min_width=14)
    table.add_column(justify="right")
    table.add_column()
    for name, count in tally.outcomes.most_common():
        table.add_row(Text(outcome_word(name), colour_of(name)), str(count), "")
    for (layer, reason), count in tally.layers.most_common():
        table.add_row("  refused by", str(count), f"{layer}: {reason_words(reason)}")
    for name, count in tally.errors.most_common():
        table.add_row(Text("not decided", "red"), str(count), name)
    if tally.bad_lines:
        table.add_row(Text("bad lines", "yellow"), str(tally.bad_lines), "")
    if tally.degraded:
        table.add_row(Text("degraded", "yellow"), str(tally.degraded), "")
    parts: list[RenderableType] = [
        _headline(tally),
        table,
        _found(tally),
        _speed("\na decision took ", tally.times, tally.seconds),
    ]
    if tally.completion_times:
        parts += [_answers(tally), _speed("on its way back it took ", tally.completion_times, 0)]
    return Group(*parts)


def _headline(tally: Tally) -> Text:
    words = f"{tally.requests} requests of {tally.users} users in {tally.seconds:.1f} s"
    return Text(words, "bold")


def _found(tally: Tally) -> Text:
    text = Text.assemble((f"\npersonal data in {tally.with_personal_data} messages", "bold"))
    for entity, count in tally.entities.most_common():
        text.append(f"\n  {entity:<20} {count:>6}")
    if tally.not_searched:
        text.append("\n  not searched for: " + ", ".join(sorted(tally.not_searched)), "yellow")
    return text


def _answers(tally: Tally) -> Text:
    text = Text.assemble((f"\nanswers of a stand-in model: {len(tally.completion_times)}", "bold"))
    text.append(f", {tally.restored} values restored in them")
    for name, count in tally.completions.most_common():
        text.append(f"\n  {outcome_word(name):<20} {count:>6}", colour_of(name))
    for (layer, reason), count in tally.completion_layers.most_common():
        text.append(f"\n  refused by           {count:>6}  {layer}: {reason_words(reason)}")
    for name, count in tally.completion_errors.most_common():
        text.append(f"\n  not decided          {count:>6}  {name}", "red")
    return text


def _speed(title: str, taken: list[float], seconds: float) -> Text:
    times = summary(taken)
    parts = ", ".join(f"{name} {times[name]:.1f}" for name in ("p50", "p90", "p99", "max"))
    rate = f"   ({len(taken) / seconds:.0f} per second)" if seconds else ""
    return Text.assemble((title, "bold"), f"{parts} ms{rate}")
