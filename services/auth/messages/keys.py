"""API keys: from auth's own values to messages of the contract, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hauberk.auth.v1 import auth_service_pb2 as pb

from services.auth.flows.key_making import Wanted, networks_of
from services.auth.messages import moment, seconds
from services.auth.policy.api_keys import KeyRecord, OnLeak
from services.auth.ports.keys import TargetState, Use
from services.kit.caller import KeyLimit

_UNITS = {
    "requests": pb.KEY_LIMIT_UNIT_REQUESTS,
    "tokens": pb.KEY_LIMIT_UNIT_TOKENS,
    "micro_usd": pb.KEY_LIMIT_UNIT_MICRO_USD,
}
_UNIT_NAMES = {number: name for name, number in _UNITS.items()}
_ACTIONS = {
    OnLeak.REVOKE: pb.LEAK_ACTION_REVOKE,
    OnLeak.ROTATE: pb.LEAK_ACTION_ROTATE,
    OnLeak.ALERT: pb.LEAK_ACTION_ALERT,
}


def wanted(request: pb.CreateApiKeyRequest | pb.ImportApiKeyRequest) -> Wanted:
    """What is wanted of a new or imported key; raises InvalidArgument for a network that is none."""
    # A unit that is not known stays an empty name, which no limit has: it is refused, never left out.
    limits = [KeyLimit(_UNIT_NAMES.get(limit.unit, ""), limit.amount, limit.seconds) for limit in request.limits]
    return Wanted(
        subject=request.subject,
        brand=request.brand,
        scopes=tuple(request.scopes),
        display_name=request.display_name,
        seconds=seconds(request.ttl) if request.HasField("ttl") else None,
        not_before=request.not_before.ToMicroseconds() / 1e6 if request.HasField("not_before") else None,
        addresses=networks_of(request.allowed_addresses),
        limits=tuple(limits),
    )


def api_key(record: KeyRecord, last: Use | None = None) -> pb.ApiKey:
    """What is kept of a key, with its last use."""
    ends = [end for end in (record.expires_at, record.grace_until) if end is not None]
    return pb.ApiKey(
        key_id=record.key_id,
        display_name=record.display_name,
        subject=record.subject,
        brand=record.brand,
        scopes=sorted(record.scopes),
        last_four=record.last_four,
        created_at=moment(record.created_at),
        expires_at=moment(min(ends)) if ends else None,
        revoked_at=None if record.revoked_at is None else moment(record.revoked_at),
        rotated_to=record.rotated_to,
        not_before=None if record.not_before is None else moment(record.not_before),
        allowed_addresses=[str(network) for network in record.addresses],
        limits=[
            pb.KeyLimit(unit=_UNITS[each.unit], amount=each.amount, seconds=each.seconds) for each in record.limits
        ],
        imported=record.imported,
        leaked_at=None if record.leaked_at is None else moment(record.leaked_at),
        last_used_at=None if last is None else moment(last.minute),
        last_used_network="" if last is None else last.network,
        last_used_workload="" if last is None else last.workload,
    )


def key_use(use: Use) -> pb.KeyUse:
    """One row of the report."""
    return pb.KeyUse(workload=use.workload, network=use.network, last_used_at=moment(use.minute))


def webhook(state: TargetState) -> pb.GetKeyWebhookResponse:
    """What may be shown of a target."""
    return pb.GetKeyWebhookResponse(
        url=state.url, set_at=moment(state.since), waiting=state.waiting, given_up=state.given_up
    )


def leak_action(action: OnLeak) -> pb.LeakAction.ValueType:
    """For the wire."""
    return _ACTIONS[action]


def on_leak(action: Any) -> OnLeak:
    """From the wire; what is not known revokes."""
    return next((name for name, number in _ACTIONS.items() if number == action), OnLeak.REVOKE)


def peppers(counts: Mapping[str, tuple[int, int]], held: Sequence[str]) -> pb.CountKeysByPepperResponse:
    """One row for each version that is held (the active one first) or still needed."""
    names = list(dict.fromkeys([*held, *sorted(counts)]))
    rows = []
    for name in names:
        kept, usable = counts.get(name, (0, 0))
        rows.append(pb.PepperCount(version=name, active=name == held[0], kept=kept, usable=usable))
    return pb.CountKeysByPepperResponse(versions=rows[:64])
