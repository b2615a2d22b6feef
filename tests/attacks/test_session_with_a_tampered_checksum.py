"""Sessions guessed from a genuine one: an edited secret, with and without the right checksum."""

from __future__ import annotations

import secrets

from embedded.stack import Stack
from services.auth.policy.api_keys import ALPHABET
from services.auth.policy.sessions import compose
from tests.support.backend import Backend, allowed, by_key, said, stable
from tests.support.sessions import credential, opened, rotated


def other(character: str) -> str:
    return ALPHABET[(ALPHABET.index(character) + 1) % 62]


async def test_every_edit_is_refused_alike(target: Stack, backend: Backend) -> None:
    text = (await opened(backend, by_key(target.api_key))).session
    forged = {
        "last character": text[:-1] + other(text[-1]),
        "first character of the checksum": text[:-6] + other(text[-6]) + text[-5:],
        "a character of the secret": text[:15] + other(text[15]) + text[16:],
        "two characters swapped": text[:20] + text[21] + text[20] + text[22:],
        "shorter": text[:-1],
        "longer": text + "0",
        "another case": text.swapcase(),
        "another environment": text.replace("_test_", "_live_"),
        "spaces around": f" {text} ",
        "a line end": text + "\n",
        "well made, never issued": compose("hbk", "test", secrets.token_bytes(32)),
    }
    answers = {what: await backend.admit(credential(edited), conversation="c") for what, edited in forged.items()}
    first = stable(answers["well made, never issued"])
    assert said(first) == "DENY CREDENTIAL_NOT_ACCEPTED by auth"
    for what, answer in answers.items():
        assert stable(answer) == first, what
        assert forged[what] not in str(answer), what
        assert not (await rotated(backend, forged[what])).session, what
    assert allowed(await backend.admit(credential(text))), "else the refusals would prove nothing"
