"""What a client makes of a peer that answers with nothing that can be read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.kit.channels import Client, PeerError


class Silent:
    """A call whose answer's bytes could not be decoded: grpc then hands on None."""

    def cancel(self) -> bool:
        return True

    async def __aiter__(self) -> AsyncIterator[Any]:
        yield None


async def test_an_answer_that_cannot_be_decoded_is_no_answer() -> None:
    async def method(request: Any, **_: Any) -> None:
        return None

    with pytest.raises(PeerError):
        await Client("auth").call(method, object(), at_most=1.0)


async def test_nor_in_a_stream() -> None:
    async def requests() -> AsyncIterator[Any]:
        yield object()

    with pytest.raises(PeerError):
        async for _ in Client("redaction").stream(lambda *_, **__: Silent(), requests()):
            pass
