"""The audit service as a process of its own: its refusals are on record in its store, and nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import grpc
from hauberk.audit.v1 import audit_service_pb2 as pb
from hauberk.audit.v1.audit_service_pb2_grpc import AuditServiceStub

from embedded.ports import free_ports
from services.kit import certs, channels
from tests.contract.audit.house import KEYS, House
from tests.support.compose import ROOT
from tests.unit.kit.world import DOMAIN, refused

_FIND = "SELECT count(*) FROM audit.events WHERE org_id = '' AND code = 'audit.verify' AND actor = 'backend/teller'"


async def test_a_refusal_is_on_record(house: House, tmp_path: Path) -> None:
    port, ops = free_ports(2)
    files = certs.issue(tmp_path, DOMAIN, "audit", serves=["audit"])
    environment = {
        "HAUBERK_LISTEN": f"127.0.0.1:{port}",
        "HAUBERK_OPS_LISTEN": f"127.0.0.1:{ops}",
        "HAUBERK_TLS_CERT": str(files.cert),
        "HAUBERK_TLS_KEY": str(files.key),
        "HAUBERK_TLS_CA": str(files.ca),
        "HAUBERK_DATABASE_URL": house.stores.service_dsn("audit"),
        "HAUBERK_SEALER_DATABASE_URL": house.stores.service_dsn("audit_sealer"),
        "HAUBERK_KEY_AUDIT_KEK": KEYS["HAUBERK_KEY_AUDIT_KEK"],
        "HAUBERK_KEY_CHECKPOINT": KEYS["HAUBERK_KEY_CHECKPOINT"],
        "HAUBERK_AUDIT_SPOOL": str(tmp_path / "spool"),
        "HAUBERK_PEERS": '{"auth": "127.0.0.1:1"}',
        "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}",
        "PATH": os.environ.get("PATH", ""),
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "services.audit", env=environment)
    try:
        mine = certs.issue(tmp_path, DOMAIN, "backend/teller")
        async with channels.connect(f"127.0.0.1:{port}", "audit", mine) as channel:
            await asyncio.wait_for(channel.channel_ready(), 20)
            error = await refused(AuditServiceStub(channel).Verify(pb.VerifyRequest(), timeout=5))
            assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    finally:
        process.send_signal(signal.SIGTERM)
        status = await asyncio.wait_for(process.wait(), 20)
    assert status == 0
    await house.seal("")
    assert await house.admin(_FIND) == [(1,)]
    assert not list((tmp_path / "spool").glob("*.seg"))
