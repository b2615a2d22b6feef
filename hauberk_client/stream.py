"""A streamed answer: pieces in as the model writes them, pieces out as its owner may see them, and a result."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from grpc import aio
from hauberk.gateway.v1 import gateway_service_pb2 as pb

from hauberk_client import decisions
from hauberk_client.calls import Undecided, undecided
from hauberk_client.decisions import Answer

LONGEST_PIECE = 16384  # characters: below the contract's bound in bytes, whatever they are


@dataclass(frozen=True, slots=True)
class Usage:
    """What the model reports to have used; 0 = not reported."""

    input_tokens: int = 0
    output_tokens: int = 0
    model: str = ""


class Stream:
    """Iterate over it once. Until `result` is there and allowed, what was shown is not the whole answer."""

    def __init__(
        self,
        method: Any,
        admission: str,
        pieces: AsyncIterable[str | Usage],
        *,
        locale: str,
        timeout: float,
        metadata: Mapping[str, str],
    ) -> None:
        self._method = method
        self._first = pb.CompleteStreamRequest(admission=admission, locale=locale)
        self._pieces = pieces
        self._timeout = timeout
        self._metadata = tuple(metadata.items())
        self._failure: BaseException | None = None
        self._answer: Answer | None = None

    @property
    def result(self) -> Answer:
        """The decision on the whole; raises Undecided when the stream was not read to its end."""
        if self._answer is None:
            raise Undecided("CANCELLED", "NO_RESULT")
        return self._answer

    async def __aiter__(self) -> AsyncIterator[str]:
        call = self._method(self._requests(), timeout=self._timeout, metadata=self._metadata)
        try:
            async for answer in call:
                if answer is None:  # what grpc hands on when the answer's bytes cannot be decoded
                    raise Undecided("INTERNAL", "UNREADABLE_ANSWER")
                if answer.HasField("result"):
                    self._answer = decisions.completed(answer.result)
                if answer.chunk:
                    yield answer.chunk
        except aio.AioRpcError as error:
            raise (self._failure or undecided(error)) from None
        except asyncio.CancelledError:
            if self._failure is None:
                raise
            # grpc cancels its own call when the pieces end in an error.
            raise self._failure from None
        finally:
            call.cancel()  # when the consumer leaves early; else without effect
        if self._answer is None:
            raise self._failure or Undecided("INTERNAL", "NO_RESULT")

    async def _requests(self) -> AsyncIterator[Any]:
        yield self._first
        try:
            async for piece in self._pieces:
                if isinstance(piece, Usage):
                    used = pb.Usage(
                        input_tokens=piece.input_tokens, output_tokens=piece.output_tokens, model=piece.model
                    )
                    yield pb.CompleteStreamRequest(usage=used)
                    return
                for start in range(0, len(piece), LONGEST_PIECE):
                    yield pb.CompleteStreamRequest(chunk=piece[start : start + LONGEST_PIECE])
        except Exception as error:
            # The model failed: the caller is told that, and not that the stream was cancelled for it.
            self._failure = error
            raise
