"""A folder per process with nothing in it but what that process needs: what its container is given."""

from __future__ import annotations

import os
from pathlib import Path

from cli.prepared import PATTERNS
from cli.services import EDGE, NAMES
from services.kit.database_roles import COMPANIONS
from services.kit.key_kinds import CHECKPOINT

# Folder of a client, and the workload whose certificate it holds.
CLIENTS = {"operator": "operator", "backend": "backend-app", "envoy": "envoy-edge", EDGE: "backend-edge"}
RETENTION = "retention"


def bundle(prepared: Path, into: Path) -> None:
    """Copies from what was prepared; the authority's own key stays where it is. Safe to repeat after a rotation."""
    for name in NAMES:
        wanted = [f"settings/{name}.yaml", f"tls/{name}.crt", f"tls/{name}.pem", "tls/ca.crt"]
        keys = [str(path.relative_to(prepared)) for path in (prepared / "keys" / name).glob("*.key")]
        patterns = sorted((prepared / PATTERNS).glob("*.patterns")) if name == "redaction" else []
        _copy(prepared, into / name, [*wanted, *keys, *(str(path.relative_to(prepared)) for path in patterns)])
    for name, stem in CLIENTS.items():
        settings = [f"settings/{EDGE}.yaml"] if name == EDGE else []
        _copy(prepared, into / name, [*settings, f"tls/{stem}.crt", f"tls/{stem}.pem", "tls/ca.crt"])
    passwords = [f"database/{role}.password" for role in COMPANIONS if role.endswith("_retention")]
    signing = [str(path.relative_to(prepared)) for path in (prepared / "keys/audit").glob(f"{CHECKPOINT}.*.key")]
    _copy(prepared, into / RETENTION, [*passwords, *signing])


def _copy(source: Path, target: Path, names: list[str]) -> None:
    for name in names:
        if not (source / name).exists():
            continue  # certificates or settings of another origin
        path = target / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.fresh")
        fresh.unlink(missing_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write((source / name).read_bytes())
        fresh.replace(path)  # a reader sees the old file or the new one, never half of one
