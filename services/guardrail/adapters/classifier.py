"""A second opinion from a classifier outside, off unless an address is set; no personal data leaves with a text."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import httpx

from services.guardrail.policy.model import Part
from services.guardrail.ports import Detector
from services.kit.errors import Unavailable
from services.kit.telemetry import Attr, span

MOST_ANSWER = 65_536
_DEPENDENCY = "classifier"


def client(deadline: float) -> httpx.AsyncClient:
    """The only way out of this service; proxies, redirects and certificates of the environment are not taken over."""
    return httpx.AsyncClient(
        follow_redirects=False,
        trust_env=False,
        timeout=httpx.Timeout(deadline),
        headers={"accept": "application/json", "accept-encoding": "identity"},
    )


class HttpClassifier:
    """Implements `ports.Classifier`: POST {"texts": [{"source", "text"}]}, answered by {"attacks": [true, ...]}."""

    def __init__(
        self, http: httpx.AsyncClient, url: str, detector: Detector, entities: Sequence[str], deadline: float
    ) -> None:
        self._http = http
        self._url = url
        self._detector = detector
        self._entities = entities
        self._deadline = deadline

    async def judge(self, token: str, parts: Sequence[Part]) -> list[bool]:
        """See the port."""
        if not parts:
            return []
        with span("guardrail classifier", {Attr.TEXTS: len(parts), Attr.CHARACTERS: sum(len(p.text) for p in parts)}):
            try:
                async with asyncio.timeout(self._deadline):
                    texts = [{"source": p.source.value, "text": await self._bare(token, p.text)} for p in parts]
                    return _answer(await self._ask(texts), len(parts))
            except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError):
                raise Unavailable(_DEPENDENCY) from None

    async def _bare(self, token: str, text: str) -> str:
        """The text with the names of its personal data instead of the values; no answer about that means no sending."""
        leaks = await self._detector.find(token, text, self._entities)
        out = text
        for leak in sorted(leaks, key=lambda each: each.start, reverse=True):
            out = f"{out[: leak.start]}<{leak.entity}>{out[leak.end :]}"
        return out

    async def _ask(self, texts: list[dict[str, str]]) -> bytes:
        async with self._http.stream("POST", self._url, json={"texts": texts}) as response:
            if response.status_code != httpx.codes.OK:
                raise ValueError("status")
            body = b""
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > MOST_ANSWER:
                    raise ValueError("size")
            return body


def _answer(body: bytes, count: int) -> list[bool]:
    """One answer for each text, as asked; anything else is none."""
    data: Any = json.loads(body)
    attacks = data.get("attacks") if isinstance(data, dict) else None
    if not isinstance(attacks, list) or len(attacks) != count or not all(isinstance(each, bool) for each in attacks):
        raise ValueError("answer")
    return attacks
