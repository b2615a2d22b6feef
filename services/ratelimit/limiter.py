"""The decisions themselves: limits of the caller, price, store, and what holds while the store is away."""

from __future__ import annotations

import ipaddress
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from services.kit.clock import Clock, SystemClock
from services.kit.errors import FailedPrecondition, InvalidArgument, NotFound, Unavailable
from services.ratelimit.policy import (
    Compiler,
    Costs,
    Decision,
    Group,
    Identity,
    Limit,
    Mode,
    OnStoreError,
    Outcome,
    Override,
    PolicyDocument,
    Prices,
    Reason,
    Standing,
    Subject,
    decide,
    money,
)
from services.ratelimit.ports import (
    Addition,
    Answer,
    Ask,
    BoundGroup,
    LimitStore,
    LocalShare,
    Overrides,
    Reservation,
    Settled,
    Status,
    Use,
)

# Addresses are spread over this many slots, so that a cluster shares the load of the first stage.
ADDRESS_SHARDS = 64


@dataclass(frozen=True, slots=True)
class Request:
    """What a caller asks for; `hold_us` 0 means the policy's default. `output_tokens` is the estimate,
    `max_output_tokens` the most that may be produced: what `exact` limits reserve. `usual_output_tokens` is a smaller
    estimate of our own, reserved in place of the caller's; 0 = none."""

    mode: Mode
    id: str
    requests: int
    input_tokens: int
    output_tokens: int
    model: str
    hold_us: int = 0
    tool: str = ""
    max_output_tokens: int = 0
    usual_output_tokens: int = 0


def address_subject(address: str) -> str:
    """The subject of a client address: IPv6 by /64 (one customer's), an IPv4 address in IPv6 clothes as itself."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is None:
            return str(ipaddress.IPv6Network((int(ip) >> 64 << 64, 64)))
        ip = ip.ipv4_mapped
    return str(ip)


class NoOverrides:
    """Implements `Overrides` where nothing is ever granted."""

    def of(self, _organisation: str, _now: float) -> tuple[Override, ...]:
        """None."""
        return ()


class Limiter:
    """Decides, settles and extends. Raises `Unavailable` when a limit that is `closed` cannot be read."""

    def __init__(
        self,
        store: LimitStore,
        local: LocalShare,
        document: PolicyDocument,
        clock: Clock | None = None,
        overrides: Overrides | None = None,
        share: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._local = local
        self._clock = clock or SystemClock()
        self._overrides = overrides or NoOverrides()
        self._share = share
        self.adopt(document)

    def adopt(self, document: PolicyDocument) -> None:
        """From now on this policy decides. Counters stay: their names say which limit and shape they are of."""
        self._compiler = Compiler(document)
        self._prices = Prices(document.prices)
        self._default_hold_us = document.holds.default_seconds * 1_000_000
        self._longest_hold_us = document.holds.longest_seconds * 1_000_000
        self.version = document.label

    async def decide_address(self, address: str) -> Decision:
        """Counts one request of a client address."""
        subject = address_subject(address)
        shard = zlib.crc32(subject.encode()) % ADDRESS_SHARDS
        groups = tuple(BoundGroup(group, ("addr", subject)) for group in self._compiler.address())
        ask = Ask(f"addr:{shard}", groups, Mode.TAKE, Costs(1, 0, 0), penalties=self._compiler.address_penalties)
        return await self._ask(ask)

    async def decide(self, identity: Identity, workload: str, request: Request) -> Decision:
        """All limits of a proven caller at once."""
        given, most = request.input_tokens, max(request.output_tokens, request.max_output_tokens)
        _require_amounts(request.requests, given, request.output_tokens, request.max_output_tokens)
        price = self._prices.find(request.model)
        if price is None:
            return Decision(Outcome.DENY, Reason.UNKNOWN_MODEL)
        output = min(request.output_tokens, request.usual_output_tokens or request.output_tokens)
        costs = Costs(
            request.requests,
            given + output,
            money(price, given, output),
            given + most,
            money(price, given, most),
        )
        identity = identity.using(request.tool, self._prices.subject(request.model))
        ask = Ask(
            partition=identity.organisation,
            groups=self._bound(identity),
            mode=request.mode,
            costs=costs,
            price=price,
            workload=workload,
            request_id=request.id,
            hold_us=self._hold_us(request.hold_us),
            zone=identity.zone,
            penalties=self._compiler.penalties,
            asked=(request.requests, given, request.output_tokens, most),
        )
        return await self._ask(ask, costs.micro_usd)

    async def inspect(self, identity: Identity) -> Decision:
        """Where the caller stands; takes nothing."""
        return await self._ask(
            Ask(
                identity.organisation,
                self._bound(identity),
                Mode.PEEK,
                Costs(0, 0, 0),
                zone=identity.zone,
                penalties=self._compiler.penalties,
            )
        )

    async def commit(self, reservation: Reservation, use: Use, model: str) -> tuple[Settled, int]:
        """Settles at what was used: by the price of the model named, else by the price of the reservation."""
        return await self._store.commit(reservation, self._priced(use, model))

    async def release(self, reservation: Reservation, *, keep_requests: bool) -> Settled:
        """Gives a reservation back."""
        return await self._store.release(reservation, keep_requests=keep_requests)

    async def extend(self, identity: Identity, reservation: Reservation, more: Addition, model: str) -> Decision:
        """Adds to a live reservation; raises NotFound when it is unknown, over, or another workload's."""
        limits = self._compiler.every(identity, self._clock.now(), self.granted(identity))
        more = replace(more, use=self._priced(more.use, model), hold_us=self._hold_us(more.hold_us), zone=identity.zone)
        answer = await self._store.extend(reservation, more, limits)
        if answer is None:
            raise NotFound("reservation")
        return self._decision(answer)

    def _priced(self, use: Use, model: str) -> Use:
        _require_amounts(use.requests, use.input_tokens, use.output_tokens)
        # A model that the policy would refuse was refused before; what is used by now is charged at any rate.
        return replace(use, price=self._prices.find(model)) if model else use

    def _hold_us(self, wanted: int) -> int:
        return min(wanted or self._default_hold_us, self._longest_hold_us)

    def _bound(self, identity: Identity) -> tuple[BoundGroup, ...]:
        groups = self._compiler.tenant(identity, self._clock.now(), self.granted(identity))
        return tuple(BoundGroup(group, _name(group, identity)) for group in groups)

    def granted(self, identity: Identity) -> tuple[Override, ...]:
        """Other amounts that hold for this caller's organisation now."""
        return self._overrides.of(identity.organisation, self._clock.now())

    async def _ask(self, ask: Ask, micro_usd: int = 0) -> Decision:
        try:
            answer = await self._store.decide(ask)
        except Unavailable:
            return replace(self._without_store(ask), micro_usd=micro_usd)
        return self._decision(answer, micro_usd)

    def _decision(self, answer: Answer, micro_usd: int = 0) -> Decision:
        if answer.status is Status.SPENT:
            raise FailedPrecondition("REQUEST_ID_SPENT", "this request id was used for another request")
        rules = self._compiler.penalties
        decision = decide(
            answer.standings,
            # An answer given before stands, whatever was held against its subject since.
            None if answer.replayed else answer.penalty,
            enforced=rules is not None and rules.enforced,
            share=self._share(),
        )
        if (decision.outcome is Outcome.ALLOW) != (answer.status is Status.ALLOWED):
            # The store changed its counters by its own verdict; if ours differs, nothing is known.
            raise Unavailable("redis")
        return Decision(
            decision.outcome,
            decision.reason,
            decision.standings,
            decision.retry_after_us,
            answer.now_us,
            answer.expires_us,
            answer.replayed,
            micro_usd,
            decision.penalty,
        )

    def _without_store(self, ask: Ask) -> Decision:
        """Each limit as its policy says; raises `Unavailable` when one that this request draws on is closed."""
        if ask.mode is Mode.PEEK:
            raise Unavailable("redis")
        wanted: list[tuple[tuple[str, ...], Limit, int]] = []
        standings: list[Standing] = []
        for bound in ask.groups:
            for limit in bound.group.limits:
                cost = ask.need(limit)
                if cost == 0 or limit.observe or limit.on_store_error is OnStoreError.OPEN:
                    standings.append(Standing(limit, fits=True, never=False, remaining=0, wait_us=0, reset_us=0))
                elif limit.on_store_error is OnStoreError.CLOSED:
                    raise Unavailable("redis")
                else:
                    wanted.append(((ask.partition, *bound.name), limit, cost))
        standings += self._local.take(wanted)
        return decide([standing._replace(degraded=True) for standing in standings])


def _require_amounts(*amounts: int) -> None:
    """The contract refuses these first. Should that ever fail, a negative amount must still not fill a budget up."""
    if min(amounts) < 0:
        raise InvalidArgument.of("cost", "amounts must not be negative")


def _name(group: Group, identity: Identity) -> tuple[str, ...]:
    # A brand has no colon in it, so brand and user cannot be read in two ways; a tool or model is the last part.
    match group.subject:
        case Subject.API_KEY:
            return ("key", identity.credential_id)
        case Subject.USER_BRAND:
            return ("ub", identity.brand, identity.user)
        case Subject.BRAND:
            return ("brand", identity.brand)
        case Subject.TOOL:
            return ("tool", identity.tool)
        case Subject.MODEL:
            return ("model", identity.model)
        case _:
            return ("org",)
