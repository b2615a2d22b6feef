"""Between the messages of the contract and the types of the core."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp
from hauberk.audit.v1 import audit_service_pb2 as pb
from hauberk.common.v1 import decision_pb2 as common

from services.audit.flows.vault import Opened
from services.audit.policy import Catalogue, Record
from services.audit.policy.rules import broken
from services.kit.errors import InvalidArgument, Violation

_KINDS = {
    pb.EVENT_CLASS_UNSPECIFIED: "critical",  # the contract's word for an event that does not say
    pb.EVENT_CLASS_CRITICAL: "critical",
    pb.EVENT_CLASS_DECISION: "decision",
    pb.EVENT_CLASS_DEBUG: "debug",
}
_CLASSES = {name: number for number, name in _KINDS.items()}
_SAME = (
    *("event_id", "code", "organisation", "actor", "brand", "service", "txn", "trace_id"),
    *("client_address", "user_agent", "mfa", "challenge"),
)
_OUTCOMES = {name.removeprefix("OUTCOME_"): number for name, number in common.Outcome.items()}
_REASONS = {name.removeprefix("REASON_"): number for name, number in common.Reason.items()}
_OUTCOME_NAMES = {number: name for name, number in _OUTCOMES.items()}
_REASON_NAMES = {number: name for name, number in _REASONS.items()}


def records_of(request: pb.AppendRequest, reporter: str, catalogue: Catalogue) -> list[Record]:
    """The events of a request of the workload `reporter`; raises InvalidArgument naming every wrong field."""
    records, violations = [], []
    for index, event in enumerate(request.events):
        record = record_of(event, reporter)
        violations += [
            Violation(f"events[{index}].{field}", rule) for field, rule in broken(record, reporter, catalogue)
        ]
        records.append(record)
    if violations:
        raise InvalidArgument(*violations)
    return records


def record_of(event: pb.Event, reporter: str = "") -> Record:
    """One event; who does not say who reports is the workload itself."""
    texts = {name: getattr(event, name) for name in _SAME}
    texts["service"] = texts["service"] or reporter
    return Record(
        kind=_KINDS[getattr(event, "class")],
        at_us=micros(event.at),
        outcome=_OUTCOME_NAMES[event.outcome],
        reason=_REASON_NAMES[event.reason],
        facts=tuple(sorted(event.facts.items())),
        **texts,
    )


def event(opened: Opened) -> pb.Event:
    """An event as it is shown: what the hashed bytes say, what can still be read of it, and its place."""
    message = pb.Event(sequence=opened.link.sequence, hash=opened.link.hash.hex(), erased=opened.erased)
    record = opened.record
    if record is None:
        return message
    for name in _SAME:
        setattr(message, name, getattr(record, name))
    setattr(message, "class", _CLASSES.get(record.kind, pb.EVENT_CLASS_UNSPECIFIED))
    message.at.FromMicroseconds(record.at_us)
    message.outcome = _OUTCOMES.get(record.outcome, common.OUTCOME_UNSPECIFIED)
    message.reason = _REASONS.get(record.reason, common.REASON_UNSPECIFIED)
    message.facts.update(dict(record.facts))
    return message


def outcome_name(outcome: common.Outcome.ValueType) -> str:
    """As it stands in an event."""
    return _OUTCOME_NAMES[outcome]


def micros(stamp: Timestamp) -> int:
    """Microseconds since 1970."""
    return stamp.seconds * 1_000_000 + stamp.nanos // 1000
