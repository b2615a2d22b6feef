"""Context tokens as a credential, over ports in memory."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from services.auth import messages
from services.auth.adapters.context_tokens import PeerContextTokens
from services.auth.flows.authenticate import Authenticated, Authenticator, Kind
from services.auth.flows.context_tokens import ContextTokenVerifier
from services.auth.policy.causes import Cause
from services.auth.policy.epochs import Mark
from services.auth.policy.identity import Presented
from services.auth.ports import Handover
from services.kit.caller import Epochs
from services.kit.errors import Unavailable
from services.kit.permissions import Answer, Question
from services.kit.settings import SettingsError
from tests.unit.auth.fakes import BRAND, ORG, USER, Desk

TARGET = "other"
KEY = "key_" + "7" * 22


@dataclass
class Tokens:
    """ContextTokens that knows one token."""

    found: Handover | None
    away: bool = False
    presented: list[Presented] = field(default_factory=list)

    async def redeem(self, presented: Presented) -> Handover | None:
        self.presented.append(presented)
        if self.away:
            raise Unavailable("context-token")
        return self.found if presented.text == "token" else None


class ContextDesk(Desk):
    def __init__(self) -> None:
        super().__init__()
        handover = Handover(
            organisation=ORG,
            subject=USER,
            brand=TARGET,
            source_brand=BRAND,
            scopes=frozenset({"chat", "settle", "restore.all"}),
            epochs=Epochs(),
            session_id="",
            origin_token_id="",
            key_id="",
            token_id="0" * 22,
            issued_at=self.clock.now() - 5,
            context=b"order 17",
        )
        self.tokens = Tokens(handover)
        verifier = ContextTokenVerifier(self.tokens, self.book)
        self.authenticator = Authenticator(
            {Kind.CONTEXT_TOKEN: verifier}, self.book, self.memberships, self.minter, self.permissions
        )

    def handed(self, **changes: object) -> None:
        assert self.tokens.found is not None
        self.tokens.found = replace(self.tokens.found, **changes)  # type: ignore[arg-type]

    async def show(self, text: str = "token", brand: str = TARGET) -> Authenticated:
        return await self.present(text, Kind.CONTEXT_TOKEN, brand)


@pytest.fixture
def desk() -> ContextDesk:
    return ContextDesk()


async def test_a_redeemed_token_is_a_caller_of_the_target_brand(desk: ContextDesk) -> None:
    found = await desk.show()
    assert found.minted is not None
    caller = found.minted.caller
    assert (caller.organisation, caller.subject, caller.brand) == (ORG, USER, TARGET)
    assert caller.credential_id == "ctx_" + "0" * 22
    assert caller.scopes == {"chat"}  # powers of services over each other never come with a credential
    assert found.context == b"order 17"
    assert desk.tokens.presented == [Presented("token", "backend/shop", TARGET)]


async def test_a_refused_token_looks_like_every_refused_credential(desk: ContextDesk) -> None:
    found = await desk.show("forged")
    assert (found.cause, found.minted, found.context) == (Cause.CONTEXT_REFUSED, None, b"")
    assert messages.credential_reason(found.cause) == messages.credential_reason(Cause.KEY_UNKNOWN)


@pytest.mark.parametrize("name", ["o", f"u:{USER}", f"b:{BRAND}", f"b:{TARGET}", f"k:{KEY}"])
async def test_whatever_was_revoked_since_ends_it(desk: ContextDesk, name: str) -> None:
    desk.handed(key_id=KEY)
    assert (await desk.show()).minted
    desk.epochs.ledger[ORG, name] = Mark(1, desk.clock.now())
    desk.epochs.mirror[ORG, name] = Mark(1, desk.clock.now())
    found = await desk.show()
    assert (found.cause, found.minted) == (Cause.EPOCH_OVERTAKEN, None)


async def test_a_token_issued_after_a_revocation_is_good(desk: ContextDesk) -> None:
    raised = Mark(2, desk.clock.now() - 60)
    desk.epochs.ledger.update({(ORG, f"u:{USER}"): raised, (ORG, f"b:{TARGET}"): raised})
    desk.handed(epochs=Epochs(user=2))
    assert (await desk.show()).minted


async def test_the_user_must_be_a_member_of_the_target_brand(desk: ContextDesk) -> None:
    desk.directory.members[ORG, USER] = (BRAND,)
    assert (await desk.show()).cause is Cause.NOT_A_MEMBER


async def test_a_peer_for_another_brand_is_not_believed(desk: ContextDesk) -> None:
    assert (await desk.show(brand=BRAND)).cause is Cause.WRONG_BRAND


async def test_who_may_not_chat_at_the_target_brand_gets_nothing_of_it(desk: ContextDesk) -> None:
    assert (await desk.show()).context == b"order 17"
    assert desk.permissions.asked == [Question("chat.send", "Brand", TARGET)]
    for said in set(Answer) - {Answer.ALLOWED}:
        desk.permissions.says = said
        found = await desk.show()
        assert (found.cause, found.minted, found.context) == (Cause.NOT_PERMITTED, None, b"")


@pytest.mark.parametrize("dependency", ["tokens", "epochs", "directory", "permissions"])
async def test_a_dependency_away_is_never_an_allow(desk: ContextDesk, dependency: str) -> None:
    getattr(desk, dependency).away = True
    with pytest.raises(Unavailable):
        await desk.show()


@pytest.mark.parametrize("error", [KeyError("context-token"), SettingsError("peers.context-token")])
async def test_a_peer_that_is_not_there_yet_is_asked_for_again(error: Exception) -> None:
    asked = []

    def channel() -> object:
        asked.append(1)
        raise error

    tokens = PeerContextTokens(channel)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await tokens.redeem(Presented("token", "backend/shop", ""))
    assert len(asked) == 2
