"""Runs the files of the tests that failed last once more, one after the other: python -m tools.again [pytest options].

Deadlines hold in tests too. Beside another worker on two cores one is spent now and then, and a refusal is then right:
a test counts as failed when it fails again, by itself. Whole files, because tests of one share what is made for them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FAILED = Path(".pytest_cache") / "v" / "cache" / "lastfailed"
MOST = 10
"""Files. More than these did not fail for want of time."""


def files(root: Path = ROOT) -> list[str]:
    """Where the last run's failures are."""
    try:
        failed = json.loads((root / FAILED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return sorted({name.partition("::")[0] for name in failed if (root / name.partition("::")[0]).is_file()})


def main(options: Sequence[str]) -> int:
    """The status of the second run; 1 when there is none."""
    found = files()
    if not 0 < len(found) <= MOST:
        return 1
    sys.stdout.write(f"Once more, by themselves: {', '.join(found)}. What fails again has failed.\n")
    sys.stdout.flush()
    command = [sys.executable, "-m", "pytest", "-n", "0", *options, *found]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
