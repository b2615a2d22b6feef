"""A restart of auth while its issuer is away."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio
from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy_pb

from services.kit.settings import SettingsError
from tests.contract.auth.house import ALLOW, House, TestKeys, opened
from tests.support.stores import DataStores
from tests.unit.auth import issuer
from tests.unit.auth.issuer import claims_at, header, raw

ORG = "restart-org"


async def keys_of_the_issuer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    body = issuer.key_set(issuer.jwk())
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    writer.close()


async def present(house: House) -> pb.AuthenticateResponse:
    token = raw(header(), claims_at(time.time(), sub="ann"))
    return await house.authenticate("", credential=pb.Credential(jwt=token))


async def test_users_get_in_after_a_restart_without_the_issuer(data_stores: DataStores, tmp_path: Path) -> None:
    server = await asyncio.start_server(keys_of_the_issuer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    entry: dict[str, Any] = {"name": "login", "issuer": issuer.ISSUER, "audience": issuer.AUDIENCE}
    entry |= {"organisations": [ORG], "jwks_url": f"http://127.0.0.1:{port}/keys", "allow_loopback": True}
    folder, keys = tmp_path / "jwks", TestKeys()
    async with server, opened(data_stores, keys, issuers=[entry], jwks_folder=folder) as house:
        first = tenancy_pb.CreateOrganisationRequest(
            organisation=ORG, plan="free", first_brand="shop", first_admin="ann"
        )
        await house.tenancy("operator").CreateOrganisation(first)
        assert (await present(house)).outcome == ALLOW
    assert [path.name for path in folder.iterdir()] == ["login.jwks"]
    async with opened(data_stores, keys, issuers=[entry], jwks_folder=folder) as house:
        assert (await present(house)).outcome == ALLOW
    (folder / "login.jwks").write_bytes(issuer.key_set(issuer.jwk()))
    async with opened(data_stores, keys, issuers=[entry], jwks_folder=folder) as house:
        with pytest.raises(aio.AioRpcError) as error:
            await present(house)
    assert error.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_folder_that_others_can_write_to_is_a_start_up_error(data_stores: DataStores, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    entry: dict[str, Any] = {"name": "login", "issuer": issuer.ISSUER, "audience": issuer.AUDIENCE}
    entry |= {"organisations": [ORG], "jwks_url": "https://login.acme.test/keys"}
    with pytest.raises(SettingsError):
        async with opened(data_stores, issuers=[entry], jwks_folder=tmp_path):
            pass
