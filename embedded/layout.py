"""What lies where in a data folder, and the processes' settings that follow from it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from services.kit import certs
from services.kit.tls import TlsFiles

TRUST_DOMAIN = "hauberk.local"
KINDS = ("gateway", "auth", "tenancy", "ratelimit", "redaction", "guardrail", "context-token", "audit")


@dataclass(frozen=True, slots=True)
class Running:
    """Where a running stack answers."""

    address: str
    ops_address: str
    pid: int
    edge_address: str = ""


class Layout:
    """Paths under a data folder; makes none of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser().resolve()
        self.keys = self.folder / "keys"
        self.tls = self.folder / "tls"
        self.client = self.folder / "client"
        self.spool = self.folder / "spool"
        self.anchors = self.folder / "anchors"
        self.running_file = self.folder / "stack.json"
        self.issuer_key = self.client / "issuer.pem"
        self.issuer_jwks = self.client / "issuer-jwks.json"

    def api_key_file(self, organisation: str) -> Path:
        """Where the development stack keeps the first key of an organisation."""
        return self.client / f"api_key.{organisation}"

    def certificate(self, workload: str) -> TlsFiles:
        """The certificate of a workload, issued on first use by the folder's development authority."""
        if workload == "hauberk":  # the one port of the embedded stack serves every kind
            return certs.issue(self.tls, TRUST_DOMAIN, "gateway", serves=KINDS)
        serves = [workload] if workload in KINDS else []
        return certs.issue(self.tls, TRUST_DOMAIN, workload, serves=serves)

    def write_running(self, running: Running) -> None:
        """Says where this stack answers."""
        self.running_file.write_text(json.dumps(asdict(running)))


def read_running(folder: Path) -> Running | None:
    """Where the stack of a folder answers; None when none runs."""
    try:
        data = json.loads(Layout(folder).running_file.read_text())
        edge = str(data.get("edge_address", ""))
        running = Running(str(data["address"]), str(data["ops_address"]), int(data["pid"]), edge)
        os.kill(running.pid, 0)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return running
