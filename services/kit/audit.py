"""The audit trail as every process writes it.

An event is on record when it is on this machine's disk; from there it is brought to the audit service, at least once,
however long that is away.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any, Protocol, Self

import grpc
from hauberk.audit.v1 import audit_service_pb2 as pb
from hauberk.audit.v1 import audit_service_pb2_grpc as stubs
from hauberk.common.v1 import decision_pb2 as common

from services.kit.channels import Client, PeerError
from services.kit.errors import InvalidArgument, KitError, Unavailable
from services.kit.facts import is_fact, is_fact_name, is_identifier
from services.kit.logs import logger
from services.kit.settings import SettingsError
from services.kit.spool import LIMIT, Spool, SpoolBusyError, SpoolFullError

AT_ONCE = 100  # of the 500 that the contract lets through: a larger batch holds up calls where all share a process
LINGER = 0.5  # how long the shipper lets events gather: one transaction at the store for many of them
_ENOUGH = 32 * 1024  # bytes that need not wait for more
WITHHELD = "withheld"
_ADDRESS = re.compile(r"[0-9A-Fa-f.:]{2,45}")
_WORD = re.compile(r"[a-z0-9_]{1,32}")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 3.0
_SHIP_SECONDS = 5.0


class EventClass(IntEnum):
    """What happens to an event that cannot be stored at once (the contract's numbers)."""

    CRITICAL = pb.EVENT_CLASS_CRITICAL
    DECISION = pb.EVENT_CLASS_DECISION
    DEBUG = pb.EVENT_CLASS_DEBUG


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `event_id` is `<txn or random>/<service>/<method>/<attempt>`, `at` unix seconds, `code` lower case
    with dots; what is not known stays empty. There is no field for text that a person wrote."""

    event_id: str
    code: str
    at: float
    kind: EventClass = EventClass.DECISION
    outcome: common.Outcome.ValueType = common.OUTCOME_UNSPECIFIED
    reason: common.Reason.ValueType = common.REASON_UNSPECIFIED
    organisation: str = ""
    actor: str = ""
    brand: str = ""
    txn: str = ""
    trace_id: str = ""
    client_address: str = ""
    user_agent: str = ""
    mfa: str = ""
    challenge: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)

    def message(self, service: str) -> pb.Event:
        """The contract's message, reported by `service`. A value that is no identifier is withheld: an event is never
        lost for one odd value, and text never gets in."""
        message = pb.Event(
            event_id=self.event_id,
            code=self.code,
            outcome=self.outcome,
            reason=self.reason,
            organisation=self.organisation,
            actor=_identifier(self.actor, 128),
            brand=_identifier(self.brand, 63),
            service=service,
            txn=_identifier(self.txn, 64),
            trace_id=_identifier(self.trace_id, 32),
            client_address=self.client_address if _ADDRESS.fullmatch(self.client_address) else "",
            user_agent="".join(filter(str.isprintable, self.user_agent))[:512],
            mfa=self.mfa if _WORD.fullmatch(self.mfa) else "",
            challenge=self.challenge if _WORD.fullmatch(self.challenge) else "",
            facts={
                name: value if is_fact(value) else WITHHELD for name, value in self.facts.items() if is_fact_name(name)
            },
        )
        setattr(message, "class", self.kind.value)
        message.at.FromMicroseconds(round(self.at * 1_000_000))
        return message


def _identifier(value: str, longest: int) -> str:
    return value if not value or (is_identifier(value) and len(value) <= longest) else WITHHELD


class Shipped(Enum):
    """What became of an attempt to bring a batch."""

    SOME = "some"
    NOTHING = "nothing"
    FAILED = "failed"


class Trail(Protocol):
    """Where a process puts what happened."""

    async def emit(self, event: Event, *, critical: bool = False) -> None:
        """Returns once the event is on record; with `critical` once the audit service has stored it.

        Raises Unavailable("audit") otherwise, and the caller must not go on as if it were; a debug event is dropped
        and counted instead. An event that could not be stored in time may still arrive later.
        """
        ...


class SpooledTrail:
    """Implements `Trail` with a spool in a folder. `ship` runs beside the requests; `close` comes last."""

    def __init__(self, folder: Path, *, limit: int = LIMIT, critical_seconds: float = 2.0) -> None:
        """Takes the folder; raises SettingsError when that cannot be. `connect` comes before the first event."""
        try:
            self.spool = Spool(folder, limit=limit)
        except SpoolBusyError:
            raise SettingsError(f"audit_spool: {folder} is in use by another process") from None
        except OSError as error:
            raise SettingsError(f"audit_spool: {folder} cannot be used ({type(error).__name__})") from None
        self._service = ""
        self._client = Client("audit")
        self._critical_seconds = critical_seconds
        self._stub: Any = None
        self.dropped = 0
        self.refused = 0

    def connect(self, service: str, channel: Any) -> Self:
        """`channel` leads to the audit service, as the workload `service` that reports."""
        self._service = service
        self._stub = stubs.AuditServiceStub(channel)
        return self

    async def emit(self, event: Event, *, critical: bool = False) -> None:
        """See the port."""
        message = event.message(self._service)
        try:
            await self.spool.append(message.SerializeToString())
        except (SpoolFullError, OSError):
            if event.kind is EventClass.DEBUG:
                self.dropped += 1
                return
            raise Unavailable("audit") from None
        if critical:
            # Past whatever is waiting in the spool; the store knows the event by its id when the shipper brings it.
            try:
                await self._append([message], self._critical_seconds)
            except KitError:
                raise Unavailable("audit") from None

    async def ship(self) -> None:
        """Brings what is in the spool to the audit service, for ever."""
        pause = _FIRST_PAUSE
        while True:
            self.spool.arrived.clear()
            shipped = await self._ship_once(_SHIP_SECONDS)
            if shipped is Shipped.FAILED:
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            pause = _FIRST_PAUSE
            if shipped is Shipped.NOTHING:
                await self.spool.arrived.wait()
            if self.spool.waiting < _ENOUGH:
                await asyncio.sleep(LINGER)

    async def _ship_once(self, seconds: float) -> Shipped:
        """Brings one batch; when that failed it is still to be brought."""
        try:
            batch = await asyncio.to_thread(self.spool.take, AT_ONCE)
            if batch is None:
                return Shipped.NOTHING
            await self._deliver([pb.Event.FromString(record) for record in batch.records], seconds)
            self.spool.acknowledge(batch)
        except Exception as error:  # noqa: BLE001 - the way out of the process must not end for any cause
            logger().warning("audit.not_delivered", error_class=type(error).__name__)
            return Shipped.FAILED
        return Shipped.SOME

    async def _deliver(self, events: list[pb.Event], seconds: float) -> None:
        """Stores all; an event that the store will never take is set aside, so that it does not hold up the others."""
        try:
            await self._append(events, seconds)
        except KitError as error:
            if not _is_refusal(error):
                raise
            if len(events) > 1:
                await self._deliver(events[: len(events) // 2], seconds)
                await self._deliver(events[len(events) // 2 :], seconds)
                return
            self.refused += 1
            await asyncio.to_thread(self.spool.set_aside, events[0].SerializeToString())
            logger().error("audit.event_refused", code=events[0].code)

    async def _append(self, events: list[pb.Event], seconds: float) -> None:
        request = pb.AppendRequest(events=events)
        await self._client.call(self._stub.Append, request, at_most=seconds, name="audit.Append")

    async def close(self, seconds: float = 2.0) -> None:
        """Brings what is left, as far as that goes in time; the rest stays on disk for the next start."""
        try:
            async with asyncio.timeout(seconds):
                while await self._ship_once(seconds) is Shipped.SOME:
                    pass
        except TimeoutError:
            logger().warning("audit.left_in_spool", bytes=self.spool.waiting)
        await self.spool.close()


def _is_refusal(error: KitError) -> bool:
    if isinstance(error, PeerError):
        return error.peer_code is grpc.StatusCode.INVALID_ARGUMENT
    return isinstance(error, InvalidArgument)
