"""The verifier's memory: bounded, and forgotten when a key is withdrawn."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from jwt.algorithms import ECAlgorithm

from services.kit.clock import SystemClock
from services.kit.errors import Unauthenticated, Unavailable
from services.kit.jwks import KEPT, PeerKeys
from services.kit.txn_token import TokenVerifier
from tests.unit.kit.world import DOMAIN, ISSUER, Mint


def verifier(keys: Mint | PeerKeys, remembered: int = 10) -> TokenVerifier:
    return TokenVerifier(keys, issuer=ISSUER, audience=DOMAIN, clock=SystemClock(), remembered=remembered)


def test_a_withdrawn_key_takes_its_tokens_with_it() -> None:
    mint = Mint()
    checks, token = verifier(mint), mint.token()
    assert checks.verify(token).organisation == "acme"
    mint.withdraw()
    with pytest.raises(Unauthenticated):
        checks.verify(token)


class Later:
    """A clock that can be set."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead


def test_a_remembered_token_still_expires() -> None:
    mint, clock = Mint(), Later()
    checks = TokenVerifier(mint, issuer=ISSUER, audience=DOMAIN, clock=clock)
    token = mint.token()
    assert checks.verify(token).subject == "ada"
    clock.ahead = 60
    with pytest.raises(Unauthenticated):
        checks.verify(token)
    assert not checks._seen


def test_the_memory_is_bounded() -> None:
    mint = Mint()
    checks = verifier(mint, remembered=3)
    tokens = [mint.token() for _ in range(8)]
    for token in tokens:
        checks.verify(token)
    assert len(checks._seen) == 3
    assert checks.verify(tokens[0]).subject == "ada"  # forgotten, so verified again


def test_a_refused_token_is_not_remembered() -> None:
    mint = Mint()
    checks = verifier(mint)
    with pytest.raises(Unauthenticated):
        checks.verify(mint.token(aud="elsewhere"))
    assert not checks._seen


async def test_without_any_key_the_answer_is_unavailable_not_refused() -> None:
    async def away() -> str:
        raise Unavailable("auth")

    with pytest.raises(Unavailable):
        verifier(PeerKeys(away)).verify(Mint().token())


async def test_keys_load_and_the_last_good_set_stays() -> None:
    mint = Mint()
    public: Any = mint.find("k1")
    answers = [json.dumps({"keys": [{**ECAlgorithm.to_jwk(public, as_dict=True), "kid": "k1"}]}), "broken"]

    async def fetch() -> str:
        return answers.pop(0)

    keys = PeerKeys(fetch)
    await keys.refresh()
    assert (keys.generation, keys.find("nobody")) == (1, None)
    with pytest.raises(ValueError, match="Expecting value"):
        await keys.refresh()
    assert verifier(keys).verify(mint.token()).organisation == "acme"


def public(*kids: str) -> str:
    mint = Mint()
    key: Any = mint.find("k1")
    return json.dumps({"keys": [{**ECAlgorithm.to_jwk(key, as_dict=True), "kid": kid} for kid in kids]})


async def test_a_new_key_forgets_nothing_a_withdrawn_or_replaced_one_does() -> None:
    first = public("k1")
    both = json.dumps({"keys": json.loads(first)["keys"] + json.loads(public("k2"))["keys"]})
    answers = [first, both, both, first, public("k1")]

    async def fetch() -> str:
        return answers.pop(0)

    keys = PeerKeys(fetch)
    seen = []
    for _ in range(5):
        await keys.refresh()
        seen.append(keys.generation)
    assert seen == [1, 1, 1, 2, 3]
    assert keys.find("k2") is None


async def test_a_set_that_nobody_confirmed_for_long_is_not_relied_on() -> None:
    moment = [0.0]

    async def fetch() -> str:
        return public("k1")

    keys = PeerKeys(fetch, tick=lambda: moment[0])
    await keys.refresh()
    moment[0] = KEPT
    assert keys.find("k1") is not None
    moment[0] = KEPT + 1
    with pytest.raises(Unavailable):
        keys.find("k1")
