"""An anchor that tells somebody else: each checkpoint is posted. It carries its own signature, so nothing else proves
who sent it; what was posted cannot be read back here, the receiver compares."""

from __future__ import annotations

from collections.abc import Sequence

import httpx

from services.audit.adapters.anchors.form import written
from services.audit.policy import Signed
from services.kit.errors import Unavailable


class WebhookAnchor:
    """Implements `ports.Anchor`."""

    name = "webhook"

    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        self._url, self._client = url, client

    async def put(self, signed: Signed) -> None:
        """See the port; any answer of 2xx says that it is kept."""
        try:
            answer = await self._client.post(
                self._url, content=written(signed), headers={"content-type": "application/json"}
            )
        except httpx.HTTPError:
            raise Unavailable("anchor") from None
        if not answer.is_success:
            raise Unavailable("anchor")

    async def read(self, organisation: str, after: int, limit: int) -> Sequence[Signed]:  # noqa: ARG002
        """See the port."""
        return []
