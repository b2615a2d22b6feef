"""Anchors: a folder, an object store that checks signatures of requests, a webhook; away, in conflict, read back."""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.audit.adapters.anchors import FolderAnchor, S3Anchor, S3Place, WebhookAnchor
from services.audit.flows.anchoring import Anchoring
from services.audit.policy import Checkpoint, Signed
from services.audit.ports import AnchorBrokenError
from services.audit.signatures import CheckpointSigner
from services.kit.clock import SystemClock
from services.kit.errors import Unavailable
from services.kit.key_kinds import signing_key
from services.kit.key_versions import VersionedSecret
from tests.contract.audit.house import House

SECRET = "s" * 40


class Keys:
    def versions(self, _: str) -> Any:
        return [VersionedSecret("1", signing_key())]


SIGNER = CheckpointSigner(Keys())


def signed(sequence: int, mark: bytes = b"\1", organisation: str = "acme") -> Signed:
    return SIGNER.sign(Checkpoint(organisation, sequence, mark * 32, sequence).statement())


class Bucket(ThreadingHTTPServer):
    """Keeps objects; refuses what is not signed with the secret, and to replace what `if-none-match` protects."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.kept: dict[str, bytes] = {}
        self.away = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Bucket

    def log_message(self, *_: Any) -> None:
        pass

    def _genuine(self, body: bytes) -> bool:
        """Signature Version 4, from its description: written apart from the code under test."""
        found = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=me/(\d{8})/eu/s3/aws4_request, SignedHeaders=([a-z0-9;-]+), "
            r"Signature=([0-9a-f]{64})",
            self.headers.get("authorization", ""),
        )
        if found is None or self.headers["x-amz-content-sha256"] != hashlib.sha256(body).hexdigest():
            return False
        day, names, proof = found.groups()
        request = [self.command, self.path, ""]
        request += [f"{name}:{self.headers[name]}" for name in names.split(";")]
        request += ["", names, self.headers["x-amz-content-sha256"]]
        digest = hashlib.sha256("\n".join(request).encode()).hexdigest()
        words = f"AWS4-HMAC-SHA256\n{self.headers['x-amz-date']}\n{day}/eu/s3/aws4_request\n{digest}"
        key = ("AWS4" + SECRET).encode()
        for part in (day, "eu", "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), "sha256").digest()
        return hmac.compare_digest(hmac.new(key, words.encode(), "sha256").hexdigest(), proof)

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.server.away or not self._genuine(body):
            return self._answer(503 if self.server.away else 403)
        if self.headers.get("if-none-match") == "*" and self.path in self.server.kept:
            return self._answer(412)
        self.server.kept[self.path] = body
        return self._answer(200)

    def do_GET(self) -> None:
        if not self._genuine(b""):
            return self._answer(403)
        body = self.server.kept.get(self.path)
        return self._answer(404) if body is None else self._answer(200, body)

    def do_POST(self) -> None:
        self.server.kept[self.path] = self.rfile.read(int(self.headers["content-length"]))
        self._answer(503 if self.server.away else 204)


@contextmanager
def bucket() -> Iterator[Bucket]:
    with Bucket() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def s3(server: Bucket, client: httpx.AsyncClient, secret: str = SECRET) -> S3Anchor:
    return S3Anchor(S3Place(server.url, "trail", "eu", "hauberk", "me", secret), client, SystemClock())


async def test_an_object_store_keeps_each_checkpoint_once() -> None:
    with bucket() as server:
        async with httpx.AsyncClient() as client:
            anchor = s3(server, client)
            assert await anchor.read("acme", 0, 9) == []
            await anchor.put(signed(5))
            await anchor.put(kept := signed(9))
            await anchor.put(kept)  # the same again
            assert await anchor.read("acme", 0, 9) == [kept]
            assert await anchor.read("acme", 9, 9) == []
            assert sorted(server.kept) == [
                "/trail/hauberk/acme/00000000000000000005.json",
                "/trail/hauberk/acme/00000000000000000009.json",
                "/trail/hauberk/acme/latest.json",
            ]
            with pytest.raises(AnchorBrokenError):  # another story in its place
                await anchor.put(signed(9, b"\2"))
            with pytest.raises(Unavailable):
                await s3(server, client, "wrong").put(signed(11))
            with pytest.raises(Unavailable):
                await s3(server, client, "wrong").read("acme", 0, 9)
            server.away = True
            with pytest.raises(Unavailable):
                await anchor.put(signed(12))
            server.kept["/trail/hauberk/acme/latest.json"] = b"{}"
            with pytest.raises(AnchorBrokenError):
                await anchor.read("acme", 0, 9)
        async with httpx.AsyncClient() as client:
            server.away = False
    async with httpx.AsyncClient() as client:
        with pytest.raises(Unavailable):  # nobody is there any more
            await s3(server, client).put(signed(13))


async def test_a_webhook_is_told_and_says_that_it_was() -> None:
    with bucket() as server:
        async with httpx.AsyncClient() as client:
            anchor = WebhookAnchor(f"{server.url}/hook", client)
            await anchor.put(kept := signed(5))
            assert kept.statement.decode().replace('"', '\\"').encode() in server.kept["/hook"]
            assert await anchor.read("acme", 0, 9) == []
            server.away = True
            with pytest.raises(Unavailable):
                await anchor.put(signed(6))


async def test_a_folder_is_never_written_twice(tmp_path: Path) -> None:
    anchor = FolderAnchor(tmp_path / "anchors")
    assert await anchor.read("acme", 0, 9) == []
    for sequence in (30, 4, 100):
        await anchor.put(signed(sequence))
    assert [each.statement for each in await anchor.read("acme", 4, 9)] == [
        signed(30).statement,
        signed(100).statement,
    ]
    with pytest.raises(AnchorBrokenError):
        await anchor.put(signed(30, b"\2"))
    file = tmp_path / "anchors" / "acme" / f"{4:020}.json"
    assert file.stat().st_mode & 0o777 == 0o400
    assert not list((tmp_path / "anchors").glob("*/.*"))
    file.chmod(0o600)
    file.write_bytes(b"something else")
    with pytest.raises(AnchorBrokenError):
        await anchor.read("acme", 0, 9)
    await anchor.put(signed(1, organisation=""))
    assert len(await anchor.read("", 0, 9)) == 1


async def test_an_anchor_that_was_away_gets_all_of_it_in_order(house: House) -> None:
    told: list[str] = []

    class Away:
        name = "away"
        down = True

        def __init__(self) -> None:
            self.got: list[Signed] = []

        async def put(self, each: Signed) -> None:
            if self.down:
                raise Unavailable("anchor")
            self.got.append(each)

        async def read(self, *_: Any) -> list[Signed]:
            return []

    async def report(records: Any) -> int:
        told.extend(record.code for record in records)
        return 1

    org = house.organisation()
    for _ in range(2):
        await house.fill(org, 2)
        await house.sign(org)
    anchor = Away()
    anchoring = Anchoring(house.sealing, SystemClock(), report, anchor)
    with pytest.raises(Unavailable):
        await anchoring.once()
    anchor.down = False
    while await anchoring.once():
        pass
    mine = [each.statement for each in anchor.got if f'"{org}"'.encode() in each.statement]
    rows = await house.sealing.rows("SELECT statement FROM audit.checkpoints_of(%s, 0, 9) ORDER BY sequence", [org])
    assert mine == [bytes(row[0]) for row in rows]
    assert await anchoring.once() == 0  # and never again
