"""A session stolen at one brand is presented at another of the same organisation, and of another one."""

from __future__ import annotations

from embedded.stack import Stack
from tests.support.backend import Backend, allowed, by_key, said
from tests.support.sessions import credential, opened


async def test_it_is_good_for_its_own_brand_alone(target: Stack, backend: Backend, thief: Backend) -> None:
    second = await backend.brand()
    made = await opened(backend, by_key(target.api_key), target.brand)
    stolen = credential(made.session)
    answers = {brand: await thief.admit(stolen, brand=brand) for brand in (second, target.other.brand, "no-such-brand")}
    for brand, answer in answers.items():
        assert said(answer) == "DENY CREDENTIAL_NOT_ACCEPTED by auth", brand
        assert not answer.admission
    direct = await thief.authenticate(stolen, second)
    assert not (allowed(direct) or direct.txn_token)
    assert allowed(await backend.admit(stolen, brand=target.brand)), "else the refusals would prove nothing"
