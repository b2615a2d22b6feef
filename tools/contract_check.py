"""Lints the contract and reports breaking changes: python -m tools.contract_check (offline, on descriptor images).

Lint fails the build. Breaking changes are only reported until the first release, which is the first tag; the house
rules that buf does not know are in tests/unit/test_contract.py.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUF = str(Path(sys.executable).with_name("buf"))


def image_of(root: Path, image: Path) -> None:
    """Writes the descriptor image of the tree at `root`, with that tree's own tool."""
    subprocess.run([sys.executable, "-m", "tools.protogen", "--image", str(image)], check=True, cwd=root)


def last_tag() -> str:
    """The newest tag that this commit descends from; empty before the first."""
    command = ["git", "describe", "--tags", "--abbrev=0"]
    found = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    return found.stdout.strip() if found.returncode == 0 else ""


def extract(tag: str, folder: Path) -> None:
    """Puts the contract and the tools of a tag into `folder`."""
    command = ["git", "archive", tag, "protos", "tools"]
    packed = subprocess.run(command, check=True, capture_output=True, cwd=ROOT).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")


def main() -> int:
    """0 when the contract is clean and breaks nothing released."""
    with tempfile.TemporaryDirectory() as scratch:
        now, before = Path(scratch) / "now.binpb", Path(scratch) / "before.binpb"
        image_of(ROOT, now)
        if subprocess.run([BUF, "lint", str(now)], check=False, cwd=ROOT).returncode:
            return 1
        tag = last_tag()
        if not tag:
            sys.stdout.write("contract: lint clean; no release yet to compare with\n")
            return 0
        extract(tag, Path(scratch) / "tag")
        image_of(Path(scratch) / "tag", before)
        broken = subprocess.run([BUF, "breaking", str(now), "--against", str(before)], check=False, cwd=ROOT)
        sys.stdout.write(f"contract: lint clean; {'BREAKS' if broken.returncode else 'compatible with'} {tag}\n")
    return 1 if broken.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
