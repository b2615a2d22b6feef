"""A decision as a person reads it: the verdict of each layer with its time, what the model would see, what is left."""

from __future__ import annotations

from hauberk.common.v1 import decision_pb2 as common
from hauberk.gateway.v1 import gateway_service_pb2 as pb
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as limits_pb
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cli.words import colour_of, outcome_name, outcome_word, reason_name, reason_words, wait_words

INDENT = (0, 0, 0, 3)
_UNITS = {
    limits_pb.UNIT_REQUESTS: "requests",
    limits_pb.UNIT_TOKENS: "tokens",
    limits_pb.UNIT_CONCURRENCY: "at once",
}


def verdicts(answer: pb.AdmitResponse) -> RenderableType:
    """One row per layer, in the chain's order."""
    table = Table.grid(padding=(0, 2))
    table.add_column(min_width=10)
    table.add_column(min_width=10)
    table.add_column(justify="right", min_width=9)
    table.add_column()
    skipped = [verdict.stage for verdict in answer.verdicts if verdict.reason == common.REASON_NOT_REACHED]
    for verdict in answer.verdicts:
        if verdict.stage not in skipped:
            table.add_row(*_row(verdict))
    part: RenderableType = table
    if skipped:
        part = Group(table, Text(f"not reached: {', '.join(skipped)}", "bright_black"))
    return part


def _row(verdict: common.Verdict) -> tuple[Text, Text, Text, Text]:
    reason = reason_name(verdict.reason)
    name = outcome_name(verdict.outcome)
    notes = [reason_words(reason)] if reason_words(reason) else []
    if verdict.degraded:
        notes.append("answered by its fallback")
    if verdict.observed:
        notes.append("observed only")
    took = f"{verdict.duration.ToNanoseconds() / 1e6:.2f} ms"
    return Text(verdict.stage, "bold"), Text(outcome_word(name), colour_of(name)), Text(took), Text(", ".join(notes))


def headline(answer: pb.AdmitResponse) -> Text:
    """The outcome in one line."""
    name = outcome_name(answer.outcome)
    line = Text.assemble((outcome_word(name), f"bold {colour_of(name)}"))
    if answer.decided_by:
        line.append(f" by {answer.decided_by}")
    words = reason_words(reason_name(answer.reason))
    if words and name != "ALLOW":
        line.append(f": {words}")
    if answer.HasField("retry_after"):
        line.append(f"; try again in {wait_words(answer.retry_after.ToNanoseconds() / 1e9)}")
    if answer.degraded:
        line.append("  (degraded: some layer answered by its fallback)", "yellow")
    return line


def sanitised(answer: pb.AdmitResponse) -> Text:
    """What the model would see."""
    text = Text("the model would see  ", "bright_black")
    for number, message in enumerate(answer.messages):
        text.append(("\n" if number else "") + message.text, "bold cyan")
    return text


def left(answer: pb.AdmitResponse) -> Table:
    """Limits and budgets with what is left."""
    table = Table.grid(padding=(0, 2))
    for _ in range(2):
        table.add_column()
    table.add_column(justify="right")
    for limit in answer.limits:
        table.add_row(Text("left", "bright_black"), limit.id, _remaining(limit))
    return table


def _remaining(limit: limits_pb.LimitStatus) -> str:
    if limit.unit == limits_pb.UNIT_MICRO_USD:
        return f"{limit.remaining / 1e6:.4f} of {limit.limit / 1e6:.2f} US dollars"
    return f"{limit.remaining} of {limit.limit} {_UNITS.get(limit.unit, '')}".rstrip()


def not_searched(answer: pb.AdmitResponse) -> Text:
    """What could not be looked for, said plainly."""
    return Text("not searched for  " + ", ".join(answer.entities_not_searched), "yellow")


def decision(answer: pb.AdmitResponse) -> RenderableType:
    """Everything about one decision."""
    parts: list[RenderableType] = [headline(answer), verdicts(answer)]
    if answer.messages:
        parts.append(sanitised(answer))
    if answer.safe_reply.text:
        parts.append(Text(f"the user is told  {answer.safe_reply.text}"))
    if answer.entities_not_searched:
        parts.append(not_searched(answer))
    if answer.admission:
        parts.append(Text(f"admission  {answer.admission}", "bright_black"))
    if answer.limits:
        parts.append(left(answer))
    if answer.txn:
        parts.append(Text(f"transaction  {answer.txn}" + (f"   trace  {answer.trace_id}" if answer.trace_id else "")))
    return Group(*parts)


def indented(part: RenderableType) -> Padding:
    """Set in from the margin."""
    return Padding(part, INDENT, expand=False)


def say(console: Console, text: str, style: str = "") -> None:
    """One line of ours, never read as markup."""
    console.print(Text(text, style))
