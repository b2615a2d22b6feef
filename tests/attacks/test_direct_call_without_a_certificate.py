"""A connection without a certificate of this trust domain's authority ends before any RPC; no port speaks plaintext
but the loopback ops port, and that one serves no tenant."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from grpc import aio

from embedded.layout import TRUST_DOMAIN
from embedded.stack import Stack
from services.kit import certs, channels
from services.kit.tls import TlsFiles
from tests.attacks.rpcs import SERVED, SERVED_AREAS, call

FIRST = {area: next(rpc for rpc in SERVED if rpc.area == area) for area in SERVED_AREAS}
OVERRIDE = "grpc.ssl_target_name_override"


@pytest.mark.parametrize("area", SERVED_AREAS)
async def test_plaintext(target: Stack, area: str) -> None:
    async with aio.insecure_channel(target.address) as channel:
        assert (await call(channel, FIRST[area])).code is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("area", SERVED_AREAS)
async def test_no_client_certificate(target: Stack, area: str) -> None:
    credentials = grpc.ssl_channel_credentials(target.client().ca.read_bytes())
    options = [(OVERRIDE, f"{area}.hauberk.internal")]
    async with aio.secure_channel(target.address, credentials, options=options) as channel:
        assert (await call(channel, FIRST[area])).code is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("workload", ["gateway", "operator", "backend/demo"])
async def test_a_certificate_of_another_authority(target: Stack, tmp_path: Path, workload: str) -> None:
    stranger = certs.issue(tmp_path, TRUST_DOMAIN, workload)
    files = TlsFiles(stranger.cert, stranger.key, target.client().ca)
    for area in SERVED_AREAS:
        async with channels.connect(target.address, area, files) as channel:
            assert (await call(channel, FIRST[area])).code is grpc.StatusCode.UNAVAILABLE


async def test_the_ops_port_serves_no_service(target: Stack) -> None:
    async with aio.insecure_channel(target.ops_address) as channel:
        for rpc in SERVED:
            assert (await call(channel, rpc)).code is grpc.StatusCode.UNIMPLEMENTED
