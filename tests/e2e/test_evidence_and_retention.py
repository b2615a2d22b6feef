"""`hauberk evidence` and `hauberk retention` on a running stack, as an operator calls them."""

from __future__ import annotations

import asyncio
import json
import ssl
from pathlib import Path
from typing import Any

import pytest

from cli.commands.evidence import CONTROLS, controls_of, looked
from cli.evidence import transport
from cli.evidence.system import PROBES, probed, with_system
from cli.main import build_parser, main
from embedded.stack import Stack
from services.kit.database_roles import ROLES


async def hauberk(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    """A command and what it printed as JSON."""
    capsys.readouterr()
    status = await asyncio.to_thread(main, [*words, "--json"])
    said = capsys.readouterr().out
    return status, json.loads(said) if said else {}


async def test_retention_by_command(stack: Stack, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    data = ("--data", str(stack.folder))
    assert (await hauberk(capsys, "retention", "status", *data))[1]["missed"]
    _, held = await hauberk(capsys, "retention", "hold", "--organisation", "globex", "--reason", "a case", *data)
    metrics = tmp_path / "hauberk.prom"
    _, ran = await hauberk(capsys, "retention", "run", "--metrics", str(metrics), *data)
    assert ran["ended"]
    assert f"timestamp_seconds {ran['ended']:.0f}\n" in metrics.read_text()
    _, status = await hauberk(capsys, "retention", "status", *data)
    assert not status["missed"]
    assert [hold["hold"] for hold in status["holds"]] == [held["hold"]]
    assert (await hauberk(capsys, "retention", "release", "--hold", held["hold"], *data))[0] == 0
    assert (await hauberk(capsys, "retention", "release", "--hold", held["hold"], *data))[0] == 2
    assert (await hauberk(capsys, "retention", "hold", "--organisation", "globex", *data))[0] == 2, "without a reason"
    assert (await hauberk(capsys, "retention", "verify", *data))[0] == 0
    assert (await hauberk(capsys, "retention", "plan", "--data", str(tmp_path)))[0] == 2
    broken = tmp_path / "retention.yaml"
    broken.write_text("version: '1'\nplans: [free]\n")
    assert (await hauberk(capsys, "retention", "run", "--policy", str(broken), *data))[0] == 2


async def test_evidence_of_the_running_system(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    args = build_parser().parse_args(["evidence", "hipaa", "--data", str(stack.folder)])
    found: dict[str, Any] = {}

    async def look(system: Any) -> int:
        found["report"] = await looked("hipaa", controls_of(CONTROLS), system)

        async def away(_: Any) -> Any:
            raise OSError

        monkeypatch.setitem(PROBES, "tls_floor", away)
        found["away"] = await probed(system, ["tls_floor"])
        return 0

    await with_system(args, look)
    body = found["report"]
    states = {name: each for control in body["controls"] for name, each in control["probes"].items()}
    assert states["tls_floor"]["found"] == "the port speaks TLSv1.3 and refuses TLS 1.2"
    # What a stack that has just begun may not have yet: a run, a checkpoint outside, a report of its processes.
    assert {name for name, each in states.items() if each["status"] != "holds"} <= {
        "revocation_feed",
        "production_material",
        "retention_run",
        "audit_anchors",
    }
    assert states["production_material"]["status"] == "fails", "a stack of development is no production"
    assert body["coverage"]["gap"] >= 1
    assert any(count for each in body["controls"] for count in each["events_30_days"].values())
    assert found["away"]["tls_floor"].status == "not run"


async def test_a_port_that_speaks_less_is_found(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The probe against what it should find: an answer to an older version, or to nobody in particular."""
    files = stack.client()
    assert (await asyncio.to_thread(transport.client_certificate, stack.address, files)).status == "holds"
    genuine = transport._handshake

    def lenient(
        address: str, own: Any, least: ssl.TLSVersion, most: ssl.TLSVersion, *, certificate: bool = True
    ) -> str:
        return genuine(address, own, ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3)

    monkeypatch.setattr(transport, "_handshake", lenient)
    for probe in (transport.tls_floor, transport.client_certificate):
        assert (await asyncio.to_thread(probe, stack.address, files)).status == "fails"
    with pytest.raises(OSError, match="refused"):
        await asyncio.to_thread(genuine, "127.0.0.1:1", files, ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3)


async def test_a_production_is_named_by_its_parts(
    stack: Stack, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = stack.stores
    passwords = tmp_path / "database"
    passwords.mkdir()
    for role in ROLES:
        (passwords / f"{role}.password").write_text(stores.folder.secret(f"role-{role}"))
    where = stores.postgres.endpoint
    url = f"host={where.host} port={where.port} dbname={where.database}"
    words = ["--passwords", str(passwords), "--database-url", url, "--archive", str(tmp_path / "archive")]
    assert (await hauberk(capsys, "retention", "plan", *words))[0] == 2, "without keys"
    words += ["--keys", str(stack.layout.keys)]
    assert (await hauberk(capsys, "retention", "plan", *words))[0] == 2, "without Redis"
    monkeypatch.setenv("HAUBERK_REDIS_URL", stores.redis.url)
    status, planned = await hauberk(capsys, "retention", "plan", *words)
    assert (status, planned["trail_months"]) == (0, [])
    (passwords / "tenancy_retention.password").unlink()
    assert (await hauberk(capsys, "retention", "plan", *words))[0] == 2
