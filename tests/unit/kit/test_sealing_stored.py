"""What was stored before there was one sealing piece still opens, byte for byte as it lies in the database."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from services.auth.adapters.edge_sealing import KekSecretSealer
from services.auth.adapters.key_notices import Seal
from services.auth.ports.edge import Place as EdgePlace
from services.kit.errors import Unavailable
from services.kit.keys import VersionedSecret
from services.tenancy.adapters.content_keys import Content, ContentKeys
from services.tenancy.adapters.conversation_keys import ConversationKeyMaker
from services.tenancy.policy.conversations import Place

EDGE = bytes.fromhex("026b32f230d63dfac6225407744f2f655188e8e79fe7e6fc19bf6fabfdaa00e01b5e6883de")
MARKS = (
    "MWH1Sfhr6QlLZ2ALe6nPAxjQVKQ99NLZw9ObCbOFws8",
    "DJY9t7miW6P4NHwm85JSVEBqZEyYe7oLHKSQfEVODlY",
)
WEBHOOK = bytes.fromhex("6b323ae2c53e25132c0f34b0255746ad7a51a616c8f3340ec95d6c23ce38f1c5f66b7e")
CONVERSATION = bytes.fromhex(
    "026b3284cf6c610d790a428cc7c3d914a615fd2def2d997f117f912dcc5c95b3b549bc21e967b74deb8526d39c68077c"
    "4214dfb21abfa4f9bba8976023c6d7"
)
TURN = bytes.fromhex("a78277c9ba8aab2bffa3dc078d1b3f13765dd58ac8befb9dd3270442f363514f")
CONTENT_KEY = bytes.fromhex(
    "e522fc99186d1fb344c39c1d6745c92746fde7ebc382a9de2c16a10773647a1d5c6faedbd0aa393e47f8be02897a5159"
    "88c6fb8996240b1453f86740"
)
CHUNK = bytes.fromhex("d2e9819f81f28693111c8e27be6ddb166722ea32be938ffccf2f61a81962")
EDGE_PLACE, PLACE = EdgePlace("acme", "shop", "turnstile"), Place("acme", "shop", "ada", "c1")


class Keys:
    """The versions that they were stored under."""

    def __init__(self, *kids: str) -> None:
        self._versions = [VersionedSecret(kid, {"k1": b"a", "k2": b"b"}[kid] * 32) for kid in kids or ("k2", "k1")]

    def versions(self, name: str) -> Sequence[VersionedSecret]:
        return self._versions


def test_challenge_secrets_and_marks() -> None:
    sealer = KekSecretSealer(Keys())
    assert sealer.open(EDGE_PLACE, EDGE) == "s3cret"
    assert sealer.open(EdgePlace("globex", "shop", "turnstile"), EDGE) is None
    assert sealer.marks("l", "a") == MARKS
    assert KekSecretSealer(Keys("k1")).open(EDGE_PLACE, EDGE) is None


def test_webhook_secrets() -> None:
    seal = Seal(Keys())
    assert seal.open("acme", WEBHOOK) == b"hook"
    assert seal.open("globex", WEBHOOK) is None
    assert seal.open("acme", WEBHOOK[:-1]) is None
    assert Seal(Keys("k1")).open("acme", WEBHOOK) is None
    assert seal.open("acme", seal.close("acme", b"new")) == b"new"
    assert seal.open("globex", seal.close("acme", b"new")) is None


def test_conversations() -> None:
    maker = ConversationKeyMaker(Keys())
    keys = maker.open(PLACE, CONVERSATION)
    assert keys is not None and keys.unseal(TURN, b"bound") == "text"
    assert maker.open(Place("globex", "shop", "ada", "c1"), CONVERSATION) is None
    assert maker.renewed(PLACE, CONVERSATION) == CONVERSATION
    moved = ConversationKeyMaker(Keys("k1", "k2")).renewed(PLACE, CONVERSATION)
    again = ConversationKeyMaker(Keys("k1")).open(PLACE, moved)
    assert again is not None and again.unseal(TURN, b"bound") == "text"
    assert ConversationKeyMaker(Keys("k1")).open(PLACE, CONVERSATION) is None


def test_content() -> None:
    assert ContentKeys(Keys())._unwrap("acme", 7, "k2", CONTENT_KEY) == b"z" * 32
    for org, number, kid in (("globex", 7, "k2"), ("acme", 8, "k2"), ("acme", 7, "k1"), ("acme", 7, "k3")):
        with pytest.raises(Unavailable):
            ContentKeys(Keys())._unwrap(org, number, kid, CONTENT_KEY)
    assert Content("acme", 7, b"z" * 32).open(CHUNK, "doc", "1") == "hi"
    assert Content("acme", 7, b"z" * 32).open(CHUNK, "doc", "2") is None
