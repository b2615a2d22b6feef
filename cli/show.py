"""A decision as a person reads it: the verdict of each layer with its time, what the model would see, what is left."""

from __future__ import annotations

from hauberk.common.v1 import decision_pb2 as common
from hauberk.gateway.v1 import gateway_service_pb2 as pb
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as limits_pb
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cli.decision import Answer
from cli.words import colour_of, outcome_name, outcome_word, reason_name, reason_words, wait_words

INDENT = (0, 0, 0, 3)
_UNITS = {
    limits_pb.UNIT_REQUESTS: "requests",
    limits_pb.UNIT_TOKENS: "tokens",
    limits_pb.UNIT_CONCURRENCY: "at once",
}


def verdicts(answer: Answer) -> RenderableType:
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


def decided_by(answer: Answer) -> str:
    """The stage that refused; empty when none did."""
    if isinstance(answer, pb.AdmitResponse):
        return answer.decided_by
    stopped = (one for one in answer.verdicts if one.reason != common.REASON_NOT_REACHED)
    return next((one.stage for one in stopped if outcome_name(one.outcome) != "ALLOW"), "")


def headline(answer: Answer) -> Text:
    """The outcome in one line."""
    name = outcome_name(answer.outcome)
    line = Text.assemble((outcome_word(name), f"bold {colour_of(name)}"))
    if decider := decided_by(answer):
        line.append(f" by {decider}")
    words = reason_words(reason_name(answer.reason))
    if words and name != "ALLOW":
        line.append(f": {words}")
    if isinstance(answer, pb.AdmitResponse) and answer.HasField("retry_after"):
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
    """Everything about one admission."""
    parts: list[RenderableType] = [headline(answer), verdicts(answer)]
    if answer.messages:
        parts.append(sanitised(answer))
    parts += told(answer)
    if answer.entities_not_searched:
        parts.append(not_searched(answer))
    if answer.admission:
        parts.append(Text(f"admission  {answer.admission}", "bright_black"))
    if answer.limits:
        parts.append(left(answer))
    return Group(*parts, *traced(answer))


def completion(answer: pb.CompleteResponse, *, shown: bool = False) -> RenderableType:
    """Everything about one answer of a model; `shown`: its text was printed as it came."""
    parts: list[RenderableType] = [headline(answer), verdicts(answer)]
    if answer.text and not shown:
        parts.append(user_sees(answer.text))
    return Group(*parts, *told(answer), settled(answer), *traced(answer))


def tool_call(answer: pb.AuthorizeToolCallResponse) -> RenderableType:
    """Everything about one tool call."""
    return Group(headline(answer), verdicts(answer), *call_words(answer), *told(answer), *traced(answer))


def call_words(answer: pb.AuthorizeToolCallResponse) -> list[RenderableType]:
    """What may be executed, or what the model is told."""
    if answer.arguments_json:
        return [
            Text.assemble(("may be executed with  ", "bright_black"), (answer.arguments_json, "bold cyan")),
            Text(f"SHA-256 of these bytes  {answer.arguments_sha256}", "bright_black"),
        ]
    lines: list[RenderableType] = [Text(f"the model is told  {answer.repair}")] if answer.repair else []
    if answer.approval:
        lines.append(Text(f"asked for approval  {answer.approval}"))
    return lines


def user_sees(text: str) -> Text:
    """An answer as its owner sees it."""
    return Text.assemble(("the user sees  ", "bright_black"), (text, "bold cyan"))


def settled(answer: pb.CompleteResponse) -> Text:
    """What became of the reservation."""
    name = limits_pb.Settlement.Name(answer.settlement).removeprefix("SETTLEMENT_").lower().replace("_", " ")
    if not answer.settlement:
        return Text("reservation  not settled by this call", "bright_black")
    return Text(f"reservation  {name}, {answer.micro_usd / 1e6:.6f} US dollars", "bright_black")


def told(answer: Answer) -> list[RenderableType]:
    """What the user may be told; nothing when allowed."""
    return [Text(f"the user is told  {answer.safe_reply.text}")] if answer.safe_reply.text else []


def traced(answer: Answer) -> list[RenderableType]:
    """Where to look it up."""
    if not answer.txn:
        return []
    return [Text(f"transaction  {answer.txn}" + (f"   trace  {answer.trace_id}" if answer.trace_id else ""))]


def indented(part: RenderableType) -> Padding:
    """Set in from the margin."""
    return Padding(part, INDENT, expand=False)


def say(console: Console, text: str, style: str = "") -> None:
    """One line of ours, never read as markup."""
    console.print(Text(text, style))
