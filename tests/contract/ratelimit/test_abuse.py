"""Who a report counts against: the proven caller, or an address and a key prefix; nobody else, whatever is sent."""

from __future__ import annotations

import secrets
from dataclasses import replace

import pytest

from services.kit.redis import RedisStore
from services.ratelimit.adapters.redis_limits import RedisLimits
from services.ratelimit.adapters.redis_penalties import RedisPenalties
from services.ratelimit.flows.abuse import Abuse, address_of, prefix_of, proven
from services.ratelimit.policy import Algorithm, Costs, Identity, Level, Mode, PolicyDocument
from services.ratelimit.policy.penalties import Culprit
from services.ratelimit.ports import Ask, BoundGroup
from tests.contract.ratelimit.support import default_policy, fresh, group, limit, request_id

KEY = "key_0123456789abcdefABCD"


@pytest.fixture
def abuse(redis: RedisStore) -> Abuse:
    return Abuse(RedisPenalties(redis), default_policy())


def caller(credential: str = KEY) -> Identity:
    return Identity(fresh("abuse"), "pro", credential, "ada", "chat")


def address() -> str:
    return f"198.18.{secrets.randbelow(256)}.{secrets.randbelow(256)}"


def prefix() -> str:
    return secrets.token_hex(8)


def with_kind(document: PolicyDocument, kind: str, subjects: list[str], mode: str = "enforce") -> PolicyDocument:
    data = document.model_dump(mode="json")
    data["penalties"]["kinds"][kind] = {"weight": 950, "subjects": subjects}
    data["penalties"]["mode"] = mode
    return PolicyDocument.model_validate(data)


async def test_a_caller_is_the_user_of_the_brand_alone(abuse: Abuse) -> None:
    who = caller()
    found = await abuse.by_caller(who, "injection", request_id())
    assert [culprit for culprit, _ in found.held] == [Culprit.USER_BRAND]
    assert await abuse.held(replace(who, user="bob")) == []
    assert await abuse.held(replace(who, brand="other")) == []
    assert await abuse.held(replace(who, organisation=fresh("abuse"))) == []


@pytest.mark.parametrize("kind", ["unheard_of", "auth_failed", "personal_data"])
async def test_a_kind_that_is_not_listed_or_not_about_callers_counts_nothing(abuse: Abuse, kind: str) -> None:
    who = caller()
    assert (await abuse.by_caller(who, kind, request_id())).held == []
    assert await abuse.held(who) == []


@pytest.mark.parametrize("kind", ["injection", "leak", "model_extraction", "unheard_of"])
async def test_an_unproven_report_reaches_no_user_and_no_key(abuse: Abuse, kind: str) -> None:
    assert (await abuse.by_address(address(), prefix(), kind, request_id())).held == []


async def test_even_a_policy_that_asks_for_it_cannot_have_an_unproven_user(redis: RedisStore) -> None:
    document = with_kind(default_policy(), "auth_failed", ["address", "key_prefix", "api_key", "user_brand"])
    found = await Abuse(RedisPenalties(redis), document).by_address(address(), prefix(), "auth_failed", request_id())
    assert {culprit for culprit, _ in found.held} == {Culprit.ADDRESS, Culprit.KEY_PREFIX}


async def test_a_token_of_an_issuer_is_no_key(redis: RedisStore) -> None:
    document = with_kind(default_policy(), "leak", ["api_key", "user_brand"])
    abuse = Abuse(RedisPenalties(redis), document)
    found = await abuse.by_caller(caller("dev-acme"), "leak", request_id())
    assert [culprit for culprit, _ in found.held] == [Culprit.USER_BRAND]
    both = await abuse.by_caller(caller(), "leak", request_id())
    assert {culprit for culprit, _ in both.held} == {Culprit.API_KEY, Culprit.USER_BRAND}


async def test_a_prefix_tried_from_everywhere_makes_each_try_weigh_double(abuse: Abuse) -> None:
    tried, first, last = prefix(), 0, 0
    for number in range(45):
        found = dict(
            (
                await abuse.by_address(f"198.19.{number}.{secrets.randbelow(256)}", tried, "auth_failed", request_id())
            ).held
        )
        last = found[Culprit.ADDRESS].score
        first = first or last
    assert found[Culprit.KEY_PREFIX].level >= Level.LIMIT
    assert last == 2 * first


async def test_a_64_is_one_address(abuse: Abuse) -> None:
    network = f"2001:db8:{secrets.randbelow(65536):x}:{secrets.randbelow(65536):x}:"
    for number in range(3):
        found = await abuse.by_address(f"{network}:{number + 1:x}", "", "auth_failed", request_id())
    assert found.held[0][1].counts == {"auth_failed": 3}


async def test_what_is_only_observed_refuses_nobody(redis: RedisStore) -> None:
    document = with_kind(default_policy(), "leak", ["user_brand"], mode="observe")
    abuse, who = Abuse(RedisPenalties(redis), document), caller()
    ((_, held),) = (await abuse.by_caller(who, "leak", request_id())).held
    assert held.level is Level.SUSPEND
    limits = BoundGroup(group(limit(Algorithm.SLIDING, 10, 60)), proven(who)[0].name)

    from services.kit.clock import SystemClock

    store = RedisLimits(redis, SystemClock())
    ask = Ask(who.organisation, (limits,), Mode.TAKE, Costs(1, 0, 0), request_id=request_id(), penalties=abuse.rules)
    answer = await store.decide(ask)
    assert answer.status == 1
    assert answer.penalty is not None and answer.penalty.level is Level.SUSPEND
    assert answer.standings[0].remaining == 9


async def test_without_penalties_in_the_policy_nothing_is_counted(redis: RedisStore) -> None:
    data = default_policy().model_dump(mode="json")
    data["penalties"] = None
    abuse, who = Abuse(RedisPenalties(redis), PolicyDocument.model_validate(data)), caller()
    assert (await abuse.by_caller(who, "injection", request_id())).held == []
    assert (await abuse.by_address(address(), prefix(), "auth_failed", request_id())).held == []
    assert not await abuse.by_query(who, bytes(32))
    assert await abuse.held(who) == []


def test_an_address_and_a_prefix_have_partitions_of_their_own() -> None:
    """Nobody's tenant slot is touched by who proved nothing."""
    for accused in (address_of(address()), prefix_of(prefix())):
        assert accused.partition.startswith("addr:")
