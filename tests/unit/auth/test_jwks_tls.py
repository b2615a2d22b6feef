"""A key set over TLS: the connection goes to a checked address, the certificate must be the name's."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.auth.adapters.jwks.source import SourceError, UrlSource, client
from services.kit.reach import Reach
from tests.unit.auth.issuer import jwk, key_set

GOOD = key_set(jwk())
NAME = "keys.acme.test"


def certificate(folder: Path, name: str) -> Path:
    """A certificate for one name, its own authority; key and certificate in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()) + made.public_bytes(pem)
    )
    return path


@asynccontextmanager
async def serving(path: Path) -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(GOOD) + GOOD)
        await writer.drain()
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def here(_: str, __: int) -> list[str]:
    return ["127.0.0.1"]


async def fetched(path: Path, trusted: Path | None) -> bytes:
    async with serving(path) as port:
        fetcher = client()
        if trusted is not None:
            await fetcher.aclose()
            fetcher = httpx.AsyncClient(verify=ssl.create_default_context(cafile=str(trusted)), trust_env=False)
        async with fetcher:
            url = f"https://{NAME}:{port}/keys"
            return await UrlSource(url, fetcher, Reach(loopback=True), here).read()


async def test_the_certificate_of_the_name_is_accepted_at_the_checked_address(tmp_path: Path) -> None:
    path = certificate(tmp_path, NAME)
    assert await fetched(path, path) == GOOD


@pytest.mark.parametrize("name", ["keys.globex.test", "127.0.0.1", "localhost", "acme.test"])
async def test_another_names_certificate_is_not(tmp_path: Path, name: str) -> None:
    path = certificate(tmp_path, name)
    with pytest.raises(SourceError) as error:
        await fetched(path, path)
    assert str(error.value) == "transport"


async def test_an_authority_nobody_trusts_is_not(tmp_path: Path) -> None:
    path = certificate(tmp_path, NAME)
    with pytest.raises(SourceError):
        await fetched(path, None)
