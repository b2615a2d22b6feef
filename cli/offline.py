"""Verifying an export without any service: with trusted public keys, and with what lies at the anchors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cli.errors import CliError
from services.audit.adapters.anchors import form
from services.audit.policy import Finding, Problem, Signed, export
from services.audit.ports import AnchorBrokenError
from services.audit.signatures import trusting


def verify(file: Path, keys: Path | None, anchors: Path | None) -> dict[str, Any]:
    """What `audit verify --file` found. Raises CliError when a file cannot be read or is none of these."""
    try:
        with file.open("rb") as lines:
            parsed = export.read(lines)
        trusted = json.loads(keys.read_bytes()) if keys else parsed.keys
    except OSError as error:
        raise CliError(f"{error.filename} cannot be read ({type(error).__name__})") from None
    except export.NotAnExportError as error:
        raise CliError(f"{file} is no export of an audit trail: {error}") from None
    except ValueError:
        raise CliError(f"{keys} is no set of public keys") from None
    try:
        genuine = trusting(trusted)
    except ValueError:
        raise CliError(f"{keys or file} holds no usable public keys") from None
    try:
        outside = list(_anchored(anchors, parsed.organisation)) if anchors else []
    except AnchorBrokenError:
        return _report(parsed, 0, "", Finding(Problem.ANCHOR, 0), keys)
    walk, finding = export.verify(parsed, genuine, outside)
    return _report(parsed, walk.verified, walk.tip.hex(), finding, keys)


def _report(parsed: export.Parsed, verified: int, head: str, finding: Finding, keys: Path | None) -> dict[str, Any]:
    return {
        "intact": not finding.problem,
        "verified": verified,
        "problem": finding.problem.value,
        "first_bad_sequence": finding.position,
        "head": head if verified else "",
        "organisation": parsed.organisation or "the platform",
        "checkpoints": len(parsed.checkpoints),
        "keys": "given" if keys else "of the export itself",
    }


def _anchored(folder: Path, organisation: str) -> Iterator[Signed]:
    place = folder / form.folder_of(organisation)
    if not place.is_dir():
        raise CliError(f"{place} is no folder of checkpoints")
    for path in sorted(place.iterdir()):
        if form.sequence_of(path.name):
            yield form.read(path.read_bytes())
