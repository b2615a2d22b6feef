"""Playbooks on a real PostgreSQL: caps, expiry, restarts, one watcher at a time. Who is acted on by is a memory."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import grpc
import pytest
import pytest_asyncio
from grpc import aio
from pydantic import SecretStr

from services.audit.adapters.cases import WideCases
from services.audit.adapters.hands import PeerHands
from services.audit.adapters.inbox import PostgresInbox
from services.audit.adapters.sealing import PostgresSealing
from services.audit.catalogue import catalogue
from services.audit.flows.intake import Intake
from services.audit.flows.names import Names
from services.audit.flows.responding import Responder
from services.audit.flows.vault import Vault
from services.audit.flows.watching import Watcher
from services.audit.policy import Record
from services.audit.policy.detection import Detector
from services.audit.policy.response import ResponsePolicy, parse_policy
from services.audit.response_ports import Case, NeedsApprovalError, Order
from services.audit.settings import RESPONSE_POLICY
from services.kit.documents import read_document
from services.kit.errors import Unavailable
from services.kit.keys import KeyRing
from services.kit.postgres import Database
from tests.contract.audit.house import KEYS, House

pytestmark = pytest.mark.asyncio(loop_scope="session")
NOW = time.time()
Making = Callable[..., Awaitable["Post"]]


@dataclass
class MemoryHands:
    """Remembers; refuses as told."""

    done: list[tuple[str, str]] = field(default_factory=list)
    undone: list[tuple[str, str]] = field(default_factory=list)
    away: bool = False
    locks_out: bool = False

    async def do(self, action: str, order: Order) -> None:
        if self.away:
            raise Unavailable("auth")
        if self.locks_out and not order.approved:
            raise NeedsApprovalError
        self.done.append((action, order.subject))

    async def undo(self, action: str, order: Order) -> None:
        self.undone.append((action, order.subject))


@dataclass
class Moving:
    at: float = NOW

    def now(self) -> float:
        return self.at


@dataclass
class Post:
    """A watcher with everything around it."""

    house: House
    hands: MemoryHands
    clock: Moving
    watch: WideCases
    intake: Intake
    responder: Responder
    watcher: Watcher
    policy: ResponsePolicy

    async def injections(self, organisation: str, user: str, count: int = 6) -> None:
        events = [
            Record(
                event_id=f"{secrets.token_hex(8)}/gateway/admit/{number}",
                kind="decision",
                code="gateway.admit",
                at_us=int(self.clock.at * 1e6),
                outcome="DENY",
                reason="INJECTION",
                organisation=organisation,
                actor=user,
                service="gateway",
                facts=(("key", "key_" + "a" * 22), ("workload", "backend/shop")),
            )
            for number in range(count)
        ]
        await self.intake.take(events)
        await self.house.seal(organisation)

    async def look(self) -> None:
        while await self.watcher.once():
            pass

    async def actions(self, organisation: str) -> dict[str, Case]:
        found: Sequence[Case] = await self.watch.before(organisation, "incident", "", (NOW * 2, "~"), 50)
        below = [case for each in found for case in await self.watch.below(organisation, each.id)]
        return {str(case.document["do"]): case for case in below}


async def make(house: House, opened: list[Database], hands: MemoryHands, cap: int = 20) -> Post:
    """Enforces `injection_burst`."""
    data = read_document(RESPONSE_POLICY)
    data["caps"] = {"subjects_per_hour": cap}
    for rule in data["rules"]:
        rule["mode"] = "enforce" if rule["id"] == "injection_burst" else "observe"
    policy, clock = parse_policy(data, catalogue()), Moving()
    secret: SecretStr = house.settings.database_url
    database = Database(secret.get_secret_value(), max_size=2)
    await database.open()
    opened.append(database)
    sealing: PostgresSealing = house.sealing
    inbox = PostgresInbox(database)
    vault = Vault(KeyRing(None, KEYS), inbox)
    intake = Intake(inbox, vault, catalogue(), lambda: None)
    watch = WideCases(sealing)
    responder = Responder(watch, hands, Names(vault), policy, intake.take, clock)
    detector = partial(Detector, [rule.rule() for rule in policy.rules])
    watcher = Watcher(sealing, watch, vault, responder, detector, clock)
    await house.admin("UPDATE audit.cases SET state = 'free', due_at = NULL WHERE kind = 'watch' RETURNING 1", [])
    await watcher.once()
    return Post(house, hands, clock, watch, intake, responder, watcher, policy)


@pytest_asyncio.fixture(loop_scope="session")
async def post(house: House) -> AsyncIterator[Making]:
    opened: list[Database] = []
    yield partial(make, house, opened)
    for database in opened:
        await database.close()


async def test_an_action_is_done_once_runs_out_and_is_taken_back(house: House, post: Making) -> None:
    made, organisation = await post(MemoryHands()), house.organisation()
    await made.injections(organisation, "eve")
    await made.look()
    await made.look()
    assert made.hands.done == [("block_user", "eve"), ("notify", organisation)]
    await made.injections(organisation, "eve")  # within the cool-down
    await made.look()
    assert len(made.hands.done) == 2
    made.clock.at += 3700
    await made.responder.tend()
    assert made.hands.undone == [("block_user", "eve")]
    assert (await made.actions(organisation))["block_user"].state == "undone"


async def test_the_cap_holds_for_each_organisation(house: House, post: Making) -> None:
    made, organisation, other = await post(MemoryHands(), cap=2), house.organisation(), house.organisation()
    for user in ("eve", "mallory", "trudy"):
        await made.injections(organisation, user)
    await made.injections(other, "eve")
    await made.look()
    blocked = [subject for action, subject in made.hands.done if action == "block_user"]
    assert sorted(blocked) == ["eve", "eve", "mallory"]


async def test_after_a_restart_counts_go_on_and_nothing_is_done_twice(house: House, post: Making) -> None:
    hands, organisation = MemoryHands(), house.organisation()
    made = await post(hands)
    await made.injections(organisation, "eve", 4)
    await made.look()
    assert hands.done == []
    again = await post(hands)
    await again.injections(organisation, "eve", 2)
    await again.look()
    assert hands.done == [("block_user", "eve"), ("notify", organisation)]
    third = await post(hands)
    await third.look()
    assert len(hands.done) == 2


async def test_a_peer_that_is_away_is_asked_again(house: House, post: Making) -> None:
    made, organisation = await post(MemoryHands(away=True)), house.organisation()
    await made.injections(organisation, "eve")
    await made.look()
    assert (await made.actions(organisation))["block_user"].state == "doing"
    made.hands.away = False
    made.clock.at += 20
    await made.responder.tend()
    assert ("block_user", "eve") in made.hands.done
    assert (await made.actions(organisation))["block_user"].state == "done"


async def test_what_would_lock_everybody_out_waits_for_a_person(house: House, post: Making) -> None:
    made, organisation = await post(MemoryHands(locks_out=True)), house.organisation()
    await made.injections(organisation, "eve")
    await made.look()
    waiting = (await made.actions(organisation))["block_user"]
    assert (waiting.state, waiting.document["why"]) == ("waiting", "last_admin")
    assert made.hands.done == []


async def test_only_one_watches(house: House, post: Making) -> None:
    made = await post(MemoryHands())
    await made.look()
    vault = Vault(KeyRing(None, KEYS), PostgresInbox(Database("", max_size=1)))
    rival = Watcher(house.sealing, made.watch, vault, made.responder, partial(Detector, []), made.clock)
    assert await rival.once() is False
    assert await made.watch.turn("w_other", 5.0) is None


async def test_whom_it_is_about_is_sealed_and_gone_with_the_person(house: House, post: Making) -> None:
    made, organisation = await post(MemoryHands()), house.organisation()
    user = f"eve{secrets.token_hex(6)}"
    await made.injections(organisation, user)
    await made.look()
    rows = await house.admin("SELECT document::text FROM audit.cases WHERE org_id = %s", [organisation])
    assert rows
    assert all(user not in str(row[0]) for row in rows)
    await house.admin(
        "UPDATE audit.subject_keys SET tag = NULL, wrapped = NULL, erased_at = now() WHERE org_id = %s RETURNING 1",
        [organisation],
    )
    case = (await made.actions(organisation))["block_user"]
    taken = await made.responder.take_back(replace(case, state="undoing"))
    assert (taken.state, taken.document["why"], made.hands.undone) == ("failed", "erased", [])


async def test_frozen_exports_are_refused_until_they_are_thawed(house: House, post: Making) -> None:
    made, organisation = await post(MemoryHands()), house.organisation()
    await house.fill(organisation, 3)
    hands = PeerHands(lambda kind: None, made.watch)
    order = Order(organisation, organisation, event="inc_1/act_1")
    for _ in range(2):
        await hands.do("freeze_exports", order)
    with pytest.raises(aio.AioRpcError) as refused:
        await house.export(organisation)
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert (await house.verify(organisation)).intact
    await hands.undo("freeze_exports", order)
    assert await house.export(organisation)
