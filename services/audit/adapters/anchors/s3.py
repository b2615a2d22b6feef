"""An anchor in an S3-shaped object store, by HTTP PUT and GET signed with AWS Signature Version 4.

Each checkpoint is an object of its own that is never replaced, best under Object Lock; `latest.json` beside them says
which is the last, so that verifying needs no right to list.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

import httpx

from services.audit.adapters.anchors.form import folder_of, name_of, read, written
from services.audit.policy import Signed
from services.audit.policy.checkpoint import parse
from services.audit.ports import AnchorBrokenError
from services.kit.clock import Clock
from services.kit.errors import Unavailable

_LATEST = "latest.json"
_LARGEST = 16_384
_EXISTS = frozenset({409, 412})


@dataclass(frozen=True, slots=True)
class S3Place:
    """Bucket, addressed by path, and who writes there."""

    endpoint: str
    bucket: str
    region: str
    prefix: str
    access_key: str
    secret_key: str = field(repr=False)


class S3Anchor:
    """Implements `ports.Anchor`."""

    name = "s3"

    def __init__(self, place: S3Place, client: httpx.AsyncClient, clock: Clock) -> None:
        self._place, self._client, self._clock = place, client, clock

    async def put(self, signed: Signed) -> None:
        """See the port."""
        folder, name = name_of(signed)
        data = written(signed)
        answer = await self._ask("PUT", f"{folder}/{name}", data, {"if-none-match": "*"})
        if answer.status_code in _EXISTS:
            if (await self._ask("GET", f"{folder}/{name}")).content != data:
                raise AnchorBrokenError
        elif answer.is_error:
            raise Unavailable("anchor")
        if (await self._ask("PUT", f"{folder}/{_LATEST}", data)).is_error:
            raise Unavailable("anchor")

    async def read(self, organisation: str, after: int, limit: int) -> Sequence[Signed]:  # noqa: ARG002
        """See the port: the last one alone, which binds all before it."""
        answer = await self._ask("GET", f"{folder_of(organisation)}/{_LATEST}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return []
        if answer.is_error:
            raise Unavailable("anchor")
        if len(answer.content) > _LARGEST:
            raise AnchorBrokenError
        found = read(answer.content)
        return [found] if parse(found.statement).sequence > after else []

    async def _ask(
        self, method: str, key: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        place = self._place
        path = "/" + quote("/".join(filter(None, (place.bucket, place.prefix.strip("/"), key))), safe="/-_.~")
        url = place.endpoint.rstrip("/") + path
        moment = datetime.fromtimestamp(self._clock.now(), UTC)
        signed = signature(place, method, url, body, {**(headers or {})}, moment)
        try:
            return await self._client.request(method, url, content=body, headers=signed)
        except httpx.HTTPError:
            raise Unavailable("anchor") from None


def signature(
    place: S3Place, method: str, url: str, body: bytes, headers: Mapping[str, str], moment: datetime
) -> dict[str, str]:
    """The headers of a request with those that sign it."""
    parts = urlsplit(url)
    stamp, day = moment.strftime("%Y%m%dT%H%M%SZ"), moment.strftime("%Y%m%d")
    digest = hashlib.sha256(body).hexdigest()
    all_headers = {**headers, "host": parts.netloc, "x-amz-content-sha256": digest, "x-amz-date": stamp}
    names = ";".join(sorted(all_headers))
    lines = "".join(f"{name}:{all_headers[name]}\n" for name in sorted(all_headers))
    canonical = "\n".join([method, parts.path, parts.query, lines, names, digest])
    scope = f"{day}/{place.region}/s3/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{place.secret_key}".encode()
    for part in (day, place.region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    proof = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    credential = f"Credential={place.access_key}/{scope}, SignedHeaders={names}, Signature={proof}"
    return {**all_headers, "authorization": f"AWS4-HMAC-SHA256 {credential}"}
