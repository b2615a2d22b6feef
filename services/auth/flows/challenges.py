"""A solved challenge: was it seen before, what does its provider say within a budget, and does that hold for us."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from services.auth.flows.edge import Challenge, EdgeBook
from services.auth.flows.edge_events import EdgeEvents
from services.auth.flows.passes import Passes, Solved
from services.auth.policy import challenges as policy
from services.auth.policy.breaker import Breaker
from services.auth.policy.challenges import Answer, Decided, Expected, Finding, OnOutage, Provider
from services.auth.policy.visitors import address_of
from services.auth.ports.edge import ChallengeProvider, ProviderDownError, ReplayMarks, Token
from services.kit.clock import Clock

_LEAST_SECONDS = 0.05
_KEPT_BACK_SECONDS = 0.1
_PAUSE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Presented:
    """A solved challenge as it came, and whose it is said to be."""

    organisation: str
    brand: str
    provider: str
    token: str = field(repr=False)
    action: str = ""
    binding: str = field(default="", repr=False)
    client_address: str = ""
    workload: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the caller is told; `proof` is the pass for Authenticate, only when solved."""

    decided: Decided
    finding: Finding
    proof: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Budget:
    """Times in seconds. `attempts` are of one question, `per_minute` of one client address."""

    total: float = 3.0
    attempt: float = 1.4
    attempts: int = 3
    per_minute: int = 30
    most_at_once: int = 64
    failures: int = 5
    open_seconds: float = 10.0


class Challenges:
    """Verifies solved challenges; nothing that goes wrong here lets anybody on."""

    def __init__(
        self,
        book: EdgeBook,
        provider: ChallengeProvider,
        marks: ReplayMarks,
        passes: Passes,
        events: EdgeEvents,
        clock: Clock,
        budget: Budget,
        remaining: Callable[[float], float],
    ) -> None:
        self._book, self._provider, self._marks = book, provider, marks
        self._passes, self._events = passes, events
        self._clock, self._budget, self._remaining = clock, budget, remaining
        self._breakers = {name: Breaker(budget.failures, budget.open_seconds) for name in Provider}
        self._running = 0

    async def verify(self, asked: Presented) -> Verdict:
        """Raises Unavailable when a store is away; the caller then lets nobody on."""
        challenge = await self._book.challenge(asked.organisation, asked.brand)
        if challenge is None or challenge.widget.provider.value != asked.provider:
            return self._told(asked, Finding.NOT_CONFIGURED, OnOutage.DENY)
        finding = await self._found(asked, challenge)
        return self._told(asked, finding, challenge.widget.on_outage)

    async def _found(self, asked: Presented, challenge: Challenge) -> Finding:
        """The cheap questions first; the token is marked as seen before anybody outside is asked."""
        widget = challenge.widget
        if challenge.fault:
            await self._events.misconfigured(asked.organisation, asked.brand, widget.provider, challenge.fault)
            return Finding.MISCONFIGURED
        if not asked.token.strip():
            return Finding.MISSING
        if asked.action and (not widget.provider.binds or (widget.actions and asked.action not in widget.actions)):
            return Finding.WRONG_ACTION
        if (asked.binding and not widget.provider.binds) or (challenge.shared and not asked.binding):
            return Finding.WRONG_BINDING
        if not self._breakers[widget.provider].permits(self._clock.now()) or self._running >= self._budget.most_at_once:
            return Finding.OUTAGE
        if await self._too_many(asked):
            return Finding.TOO_MANY
        digest = hashlib.sha256(f"{widget.provider.value}\0{asked.token}".encode()).hexdigest()
        owner = _owner(asked)
        if not await self._marks.claim(digest, owner, policy.WINDOW_SECONDS):
            return Finding.REPLAYED
        self._running += 1
        try:
            return await self._asked(asked, challenge, uuid.UUID(owner[:32]))
        finally:
            self._running -= 1

    async def _too_many(self, asked: Presented) -> bool:
        """Solving is cheap for a farm: beyond this many a minute it buys an address nothing."""
        if not asked.client_address:
            return False
        return await self._marks.count(address_of(asked.client_address), 60) > self._budget.per_minute

    async def _asked(self, asked: Presented, challenge: Challenge, idempotency: uuid.UUID) -> Finding:
        widget = challenge.widget
        answer: Answer | None = None
        # A little is kept back, so that "unavailable" is still an answer and not a spent deadline.
        ends = asyncio.get_running_loop().time() + self._remaining(self._budget.total) - _KEPT_BACK_SECONDS
        for secret in challenge.secrets:
            token = Token(widget.provider, asked.token, secret, widget.site_key, asked.client_address, str(idempotency))
            answer = await self._answer(token, ends)
            if answer is None:
                return Finding.OUTAGE
            if "invalid-input-secret" not in answer.codes:
                break
        if answer is None:
            return Finding.MISCONFIGURED
        expected = Expected(
            widget, asked.action, frozenset(self._passes.cdatas(asked.organisation, asked.brand, asked.binding))
        )
        finding = policy.judge(answer, expected, self._clock.now())
        if finding is Finding.MISCONFIGURED:
            cause = answer.codes[0] if answer.codes else "unknown"
            await self._events.misconfigured(asked.organisation, asked.brand, widget.provider, cause)
        return finding

    async def _answer(self, token: Token, ends: float) -> Answer | None:
        """The provider's last word within the budget; None when it has none."""
        breaker = self._breakers[token.provider]
        if not breaker.enter(self._clock.now()):
            return None
        try:
            answer, blamed = await self._repeated(token, ends)
        except BaseException:
            breaker.abandoned()
            raise
        if answer is not None:
            breaker.succeeded()
        elif blamed:
            breaker.failed(self._clock.now())
        else:
            breaker.abandoned()
        return answer

    async def _repeated(self, token: Token, ends: float) -> tuple[Answer | None, bool]:
        """Asks again only where the same question cannot spend the token twice. Says as well whether the provider is
        to blame: it is not for being slower than a caller in a hurry, who could close it for everybody else."""
        loop, budget, blamed = asyncio.get_running_loop(), self._budget, False
        for attempt in range(budget.attempts if token.provider.repeatable else 1):
            if attempt:
                await asyncio.sleep(_PAUSE_SECONDS)
            left = ends - loop.time()
            if left < _LEAST_SECONDS:
                break
            try:
                answer = await self._provider.verify(token, min(left, budget.attempt))
            except ProviderDownError as down:
                blamed = blamed or down.cause != "time" or left >= budget.attempt
                continue
            if answer.success or "internal-error" not in answer.codes:
                return answer, False
            blamed = True
        return None, blamed

    def _told(self, asked: Presented, finding: Finding, on_outage: OnOutage) -> Verdict:
        decided = policy.decide(finding, on_outage)
        if decided is not Decided.SOLVED:
            self._events.refused(asked.organisation, asked.brand, finding)
            return Verdict(decided, finding)
        solved = Solved(asked.organisation, asked.brand, asked.client_address, asked.workload, asked.request_id)
        return Verdict(decided, finding, self._passes.issue(asked.provider, solved))


def _owner(asked: Presented) -> str:
    """Who may bring a token again: the same request, word for word. It also names the question to the provider."""
    if not asked.request_id:
        return secrets.token_hex(32)
    parts = (
        asked.workload,
        asked.organisation,
        asked.brand,
        asked.request_id,
        asked.action,
        asked.binding,
        asked.client_address,
        asked.token,
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
