"""A brand's edge: kept by its organisation, read before anybody is proven, remembered for a few seconds."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field, replace

from services.auth.flows.edge_events import EdgeEvents
from services.auth.policy import edge as edge_policy
from services.auth.policy import edge_headers, origins
from services.auth.policy.challenges import Widget, unfit
from services.auth.policy.edge import EdgeError, EdgeRules
from services.auth.policy.edge_headers import HeaderRules, Miss, Question, Resolved
from services.auth.ports.edge import EdgeRow, EdgeStore, Place, SecretSealer
from services.kit.caller import Caller
from services.kit.clock import Clock
from services.kit.errors import FailedPrecondition, InvalidArgument, NotFound

PREVIOUS_SECONDS = 2 * 3600  # as long as the providers themselves accept a rotated secret
NONCE_BYTES = 18  # 144 bits, and no padding in base64
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Challenge:
    """A widget with the secrets that may be tried, in order; `fault` says why it cannot be used at all."""

    widget: Widget
    secrets: tuple[str, ...] = field(repr=False)
    fault: str = ""
    shared: bool = False  # the installation's own: only a binding holds a token to one brand


@dataclass(frozen=True, slots=True)
class Edge:
    """A brand's edge, ready to decide by."""

    rules: EdgeRules
    challenge: Challenge | None


@dataclass(frozen=True, slots=True)
class Kept:
    """What its organisation is shown."""

    rules: EdgeRules
    version: int
    previous_until: float | None


@dataclass(frozen=True, slots=True)
class Origin:
    """A decision about an origin; `nonce` and `widget` only when there is no miss."""

    resolved: Resolved
    nonce: str = ""
    widget: Widget | None = None


class EdgeBook:
    """Reads edges by organisation and brand; remembers what is not there as well, so probing costs the store little."""

    def __init__(
        self,
        store: EdgeStore,
        sealer: SecretSealer,
        clock: Clock,
        common: Challenge | None = None,
        *,
        seconds: float,
        production: bool,
    ) -> None:
        self._store, self._sealer, self._clock, self._common = store, sealer, clock, common
        self._seconds, self._production = seconds, production
        self._known: OrderedDict[tuple[str, str], tuple[float, Edge | None]] = OrderedDict()

    async def find(self, organisation: str, brand: str) -> Edge | None:
        """None for unknown and foreign alike. Raises Unavailable; what is remembered is never older than its time."""
        now = self._clock.now()
        known = self._known.get((organisation, brand))
        if known is not None and 0 <= now - known[0] < self._seconds:
            return known[1]
        row = await self._store.of_brand(organisation, brand)
        found = None if row is None else self._opened(row, now)
        self._known[organisation, brand] = (now, found)
        self._known.move_to_end((organisation, brand))
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return found

    async def challenge(self, organisation: str, brand: str) -> Challenge | None:
        """The brand's own, else the installation's. Raises Unavailable."""
        edge = await self.find(organisation, brand)
        return (edge.challenge if edge else None) or self._common

    def forget(self, organisation: str, brand: str) -> None:
        """After a change by this process; the others follow in a few seconds."""
        self._known.pop((organisation, brand), None)

    def _opened(self, row: EdgeRow, now: float) -> Edge | None:
        # A row that this version would not keep (older rules, a copy of another environment) allows nothing.
        rules = edge_policy.from_document(row.rules, production=self._production)
        if rules is None:
            return None
        if rules.widget is not None:
            return Edge(rules, self._challenge(row, rules.widget, now))
        # A page that shows the installation's widget must be allowed to load it.
        return Edge(replace(rules, widget=self._common.widget) if self._common else rules, None)

    def _challenge(self, row: EdgeRow, widget: Widget, now: float) -> Challenge:
        place = Place(row.organisation, row.brand, widget.provider.value)
        previous = row.previous_secret if row.previous_until is not None and now < row.previous_until else b""
        opened = [self._sealer.open(place, record) for record in (row.secret, previous) if record]
        usable = tuple(secret for secret in opened if secret)
        if not usable:
            return Challenge(widget, (), "secret-cannot-be-opened")
        # A test secret that got in before production was on must not let anybody on, whatever else is right.
        faults = [unfit(widget, secret, production=self._production) for secret in usable]
        return Challenge(widget, usable, "not-for-production" if any(faults) else "")


class Edges:
    """Keeps and resolves them."""

    def __init__(
        self,
        store: EdgeStore,
        sealer: SecretSealer,
        book: EdgeBook,
        events: EdgeEvents,
        clock: Clock,
        common: HeaderRules,
        *,
        production: bool,
    ) -> None:
        self._store, self._sealer, self._book = store, sealer, book
        self._events, self._clock, self._common = events, clock, common
        self._production = production

    async def resolve(self, organisation: str, brand: str, question: Question, client_address: str) -> Origin:
        """The browser policy. Raises Unavailable when the store, or the audit trail for a miss, is away."""
        edge = await self._book.find(organisation, brand)
        nonce = secrets.token_urlsafe(NONCE_BYTES)
        resolved = edge_headers.resolve(edge.rules if edge else None, question, nonce, self._common)
        if resolved.miss is Miss.ORIGIN:
            await self._events.malicious_cors(organisation, brand, question.origin, client_address)
        if edge is None or resolved.miss is not Miss.NONE:
            return Origin(resolved)
        return Origin(resolved, nonce, edge.rules.widget)

    async def foreign(self, organisation: str, brand: str, origin: str, client_address: str) -> bool:
        """Whether a proven user's request comes from a page that is not the brand's. A brand that lists no origins has
        not said which are its own. Raises Unavailable."""
        edge = await self._book.find(organisation, brand) if origin else None
        if edge is None or not edge.rules.origins or origins.presented(origin) in edge.rules.origins:
            return False
        await self._events.malicious_cors(organisation, brand, origin, client_address)
        return True

    async def get(self, caller: Caller, brand: str) -> Kept:
        """The caller's own; raises NotFound for every other."""
        row = await self._store.find(caller, brand)
        # Shown as kept, even where production would no longer use it: its owner must be able to see why.
        rules = None if row is None else edge_policy.from_document(row.rules, production=False)
        if row is None or rules is None:
            raise NotFound("edge")
        return Kept(rules, row.version, row.previous_until)

    async def put(self, caller: Caller, brand: str, wanted: EdgeRules, secret: str) -> Kept:
        """Replaces it; an empty secret keeps the one before. Raises InvalidArgument naming field and rule."""
        try:
            rules = edge_policy.checked(wanted, production=self._production)
        except EdgeError as error:
            raise InvalidArgument.of(f"edge.{error.name}", error.rule) from None
        before = await self._store.find(caller, brand)
        row = self._next(caller.organisation, brand, rules, secret, before)
        if not await self._store.put(caller, row, caller.subject):
            raise FailedPrecondition("EDGE_NOT_KEPT", "it was changed meanwhile, or there are too many: read it again")
        self._book.forget(caller.organisation, brand)
        return Kept(rules, row.version, row.previous_until)

    def _next(self, organisation: str, brand: str, rules: EdgeRules, secret: str, before: EdgeRow | None) -> EdgeRow:
        version, widget, now = (before.version if before else 0) + 1, rules.widget, self._clock.now()
        document = edge_policy.to_document(rules)
        if widget is None:
            return EdgeRow(organisation, brand, version, document)
        place = Place(organisation, brand, widget.provider.value)
        # A secret of another provider does not open here, so it cannot be taken over.
        old = self._sealer.open(place, before.secret) if before and before.secret else None
        if not (secret or old):
            raise InvalidArgument.of("edge.challenge.secret", "required: none is kept for this provider")
        fault = unfit(widget, secret or old or "", production=self._production)
        if fault:
            name, _, rule = fault.partition(": ")
            raise InvalidArgument.of(f"edge.challenge.{name}", rule)
        sealed, previous, until = b"", b"", None
        if before is not None and old is not None:
            sealed, previous, until = before.secret, before.previous_secret, before.previous_until
            if secret and secret != old:
                previous, until = before.secret, now + PREVIOUS_SECONDS
        if secret and secret != old:
            sealed = self._sealer.seal(place, secret)
        return EdgeRow(organisation, brand, version, document, sealed, previous, until)
