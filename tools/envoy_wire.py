"""Shows that our copy of Envoy's rate-limit contract is the public one on the wire: python -m tools.envoy_wire.

Makes a throw-away environment with the public contract's Python package (it must never share one with this project: it
brings its own copies of modules that OpenTelemetry needs) and exchanges random messages with it, both ways. Needs a
package index. `--record` also writes the first of them for tests/conformance/test_envoy_wire.py.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

from hauberk.envoy.ratelimit.v3 import rls_pb2

from tools import envoy_peer

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "xds-protos==1.85.0"
RECORD = ROOT / "tests" / "conformance" / "wire" / "envoy_ratelimit.jsonl"
RECORDED = 100


def other_environment(folder: Path) -> str:
    """The Python of a fresh environment with the public package."""
    venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE], check=True)
    return python


def ask(python: str, *args: str, lines: str = "") -> str:
    """Runs the peer there."""
    command = [python, "-I", str(ROOT / "tools" / "envoy_peer.py"), *args]
    return subprocess.run(command, check=True, input=lines, capture_output=True, text=True).stdout


def differs(record: dict[str, Any]) -> bool:
    """Whether a message of theirs means something else to us, or loses something on its way through us."""
    kind = getattr(rls_pb2, record["message"])
    message = kind.FromString(base64.b64decode(record["wire"]))
    return bool(envoy_peer.meaning(message) != record["fields"])


def through_us(record: dict[str, Any]) -> dict[str, Any]:
    """Everything that the public contract has, read and written again by our smaller copy."""
    message = getattr(rls_pb2, record["message"]).FromString(base64.b64decode(record["whole"]))
    again = base64.b64encode(message.SerializeToString()).decode()
    return {"message": record["message"], "wire": again, "whole": record["whole"]}


def ours(seed: int, count: int) -> list[dict[str, Any]]:
    """Random messages of our own code."""
    rng, made = random.Random(seed), []  # noqa: S311 - the same messages again
    for number in range(count):
        name = envoy_peer.NAMES[number % len(envoy_peer.NAMES)]
        message = getattr(rls_pb2, name)()
        envoy_peer.fill(message, None, rng)
        made.append(envoy_peer.line(name, message))
    return made


def main() -> int:
    """0 when nothing differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="write the recorded messages anew")
    parser.add_argument("--seed", type=int, default=20_261_121)
    parser.add_argument("--count", type=int, default=4000)
    options = parser.parse_args()
    shapes = {name: envoy_peer.shape_of(getattr(rls_pb2, name).DESCRIPTOR) for name in envoy_peer.NAMES}
    with tempfile.TemporaryDirectory() as scratch:
        python = other_environment(Path(scratch) / "other")
        made = ask(python, "make", json.dumps(shapes), str(options.seed), str(options.count)).splitlines()
        theirs = [json.loads(text) for text in made]
        wrong_here = sum(differs(record) for record in theirs)
        back = [*ours(options.seed, options.count), *map(through_us, theirs)]
        wrong_there = int(ask(python, "check", lines="\n".join(json.dumps(record) for record in back)))
    total = 3 * options.count
    sys.stdout.write(f"envoy wire: {total} messages with {PACKAGE}, {wrong_here + wrong_there} differ\n")
    if options.record:
        head = {"made_by": PACKAGE, "command": "python -m tools.envoy_wire --record", "seed": options.seed}
        RECORD.write_text("\n".join([json.dumps(head), *made[:RECORDED]]) + "\n", encoding="utf-8")
    return 1 if wrong_here or wrong_there or len(theirs) != options.count else 0


if __name__ == "__main__":
    sys.exit(main())
