"""The decisions themselves: limits of the caller, price, store, and what holds while the store is away."""

from __future__ import annotations

import ipaddress
import zlib
from dataclasses import dataclass, replace

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
    PolicyDocument,
    Prices,
    Reason,
    Standing,
    Subject,
    decide,
    money,
)
from services.ratelimit.ports import (
    Answer,
    Ask,
    BoundGroup,
    LimitStore,
    LocalShare,
    Reservation,
    Settled,
    Status,
    Use,
)

# Addresses are spread over this many slots, so that a cluster shares the load of the first stage.
_ADDRESS_SHARDS = 64


@dataclass(frozen=True, slots=True)
class Request:
    """What a caller asks for; `hold_us` 0 means the policy's default."""

    mode: Mode
    id: str
    requests: int
    input_tokens: int
    output_tokens: int
    model: str
    hold_us: int = 0


def address_subject(address: str) -> str:
    """The subject of a client address: IPv6 by /64 (one customer's), an IPv4 address in IPv6 clothes as itself."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is None:
            return str(ipaddress.IPv6Network((int(ip) >> 64 << 64, 64)))
        ip = ip.ipv4_mapped
    return str(ip)


class Limiter:
    """Decides, settles and extends. Raises `Unavailable` when a limit that is `closed` cannot be read."""

    def __init__(self, store: LimitStore, local: LocalShare, document: PolicyDocument) -> None:
        self._store = store
        self._local = local
        self._compiler = Compiler(document)
        self._prices = Prices(document.prices)
        self._default_hold_us = document.holds.default_seconds * 1_000_000
        self._longest_hold_us = document.holds.longest_seconds * 1_000_000
        self.version = f"{document.version}/{document.prices.version}"

    async def decide_address(self, address: str) -> Decision:
        """Counts one request of a client address."""
        subject = address_subject(address)
        shard = zlib.crc32(subject.encode()) % _ADDRESS_SHARDS
        groups = tuple(BoundGroup(group, ("addr", subject)) for group in self._compiler.address())
        ask = Ask(f"addr:{shard}", groups, Mode.TAKE, Costs(1, 0, 0))
        return await self._ask(ask)

    async def decide(self, identity: Identity, workload: str, request: Request) -> Decision:
        """All limits of a proven caller at once."""
        _require_amounts(request.requests, request.input_tokens, request.output_tokens)
        price = self._prices.find(request.model)
        if price is None:
            return Decision(Outcome.DENY, Reason.UNKNOWN_MODEL)
        tokens = request.input_tokens + request.output_tokens
        costs = Costs(request.requests, tokens, money(price, request.input_tokens, request.output_tokens))
        ask = Ask(
            partition=identity.organisation,
            groups=self._bound(identity),
            mode=request.mode,
            costs=costs,
            price=price,
            workload=workload,
            request_id=request.id,
            hold_us=self._hold_us(request.hold_us),
        )
        return replace(await self._ask(ask), micro_usd=costs.micro_usd)

    async def inspect(self, identity: Identity) -> Decision:
        """Where the caller stands; takes nothing."""
        return await self._ask(Ask(identity.organisation, self._bound(identity), Mode.PEEK, Costs(0, 0, 0)))

    async def commit(self, reservation: Reservation, use: Use, model: str) -> tuple[Settled, int]:
        """Settles at what was used: by the price of the model named, else by the price of the reservation."""
        return await self._store.commit(reservation, self._priced(use, model))

    async def release(self, reservation: Reservation, *, keep_requests: bool) -> Settled:
        """Gives a reservation back."""
        return await self._store.release(reservation, keep_requests=keep_requests)

    async def extend(
        self, identity: Identity, reservation: Reservation, use: Use, model: str, hold_us: int
    ) -> Decision:
        """Adds to a live reservation; raises NotFound when it is unknown, over, or another workload's."""
        limits = [limit for group in self._compiler.tenant(identity) for limit in group.limits]
        priced = self._priced(use, model)
        answer = await self._store.extend(reservation, priced, self._hold_us(hold_us), limits)
        if answer is None:
            raise NotFound("reservation")
        return _decision(answer)

    def _priced(self, use: Use, model: str) -> Use:
        _require_amounts(use.requests, use.input_tokens, use.output_tokens)
        # A model that the policy would refuse was refused before; what is used by now is charged at any rate.
        return replace(use, price=self._prices.find(model)) if model else use

    def _hold_us(self, wanted: int) -> int:
        return min(wanted or self._default_hold_us, self._longest_hold_us)

    def _bound(self, identity: Identity) -> tuple[BoundGroup, ...]:
        return tuple(BoundGroup(group, _name(group, identity)) for group in self._compiler.tenant(identity))

    async def _ask(self, ask: Ask) -> Decision:
        try:
            answer = await self._store.decide(ask)
        except Unavailable:
            return self._without_store(ask)
        if answer.status is Status.SPENT:
            raise FailedPrecondition("REQUEST_ID_SPENT", "this request id was used for another request")
        return _decision(answer)

    def _without_store(self, ask: Ask) -> Decision:
        """Each limit as its policy says; raises `Unavailable` when one that this request draws on is closed."""
        if ask.mode is Mode.PEEK:
            raise Unavailable("redis")
        wanted: list[tuple[tuple[str, ...], Limit, int]] = []
        standings: list[Standing] = []
        for bound in ask.groups:
            for limit in bound.group.limits:
                cost = ask.need(limit.unit)
                if cost == 0 or limit.observe or limit.on_store_error is OnStoreError.OPEN:
                    standings.append(Standing(limit, fits=True, never=False, remaining=0, wait_us=0, reset_us=0))
                elif limit.on_store_error is OnStoreError.CLOSED:
                    raise Unavailable("redis")
                else:
                    wanted.append(((ask.partition, *bound.name), limit, cost))
        standings += self._local.take(wanted)
        return decide([replace(standing, degraded=True) for standing in standings])


def _require_amounts(*amounts: int) -> None:
    """The contract refuses these first. Should that ever fail, a negative amount must still not fill a budget up."""
    if min(amounts) < 0:
        raise InvalidArgument.of("cost", "amounts must not be negative")


def _name(group: Group, identity: Identity) -> tuple[str, ...]:
    if group.subject is Subject.API_KEY:
        return ("key", identity.credential_id)
    # A brand has no colon in it, so brand and user cannot be read in two ways.
    return ("ub", identity.brand, identity.user) if group.subject is Subject.USER_BRAND else ("org",)


def _decision(answer: Answer) -> Decision:
    decision = decide(answer.standings)
    if (decision.outcome is Outcome.ALLOW) != (answer.status is Status.ALLOWED):
        # The store changed its counters by its own verdict; if ours differs, nothing is known.
        raise Unavailable("redis")
    return replace(decision, now_us=answer.now_us, expires_us=answer.expires_us, replayed=answer.replayed)
