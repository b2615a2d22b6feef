"""Shows that our copies of Envoy's contracts are the public ones on the wire: python -m tools.envoy_wire.

Makes a throw-away environment with the public contract's Python package (it must never share one with this project: it
brings its own copies of modules that OpenTelemetry needs) and exchanges random messages with it, both ways. Needs a
package index. `--record` also writes the first of each for tests/conformance/test_envoy_wire.py.
"""

from __future__ import annotations

import argparse
import base64
import importlib
import json
import random
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

from tools import envoy_peer

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "xds-protos==1.85.0"
RECORDS = ROOT / "tests" / "conformance" / "wire"
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


def record_of(contract: str) -> Path:
    """Where recorded messages lie."""
    return RECORDS / f"envoy_{contract}.jsonl"


def module_of(contract: str) -> Any:
    """Our generated code."""
    return importlib.import_module(envoy_peer.CONTRACTS[contract][1])


def differs(module: Any, record: dict[str, Any]) -> bool:
    """Whether a message of theirs means something else to us, or loses something on its way through us."""
    kind = getattr(module, record["message"])
    message = kind.FromString(base64.b64decode(record["wire"]))
    return bool(envoy_peer.meaning(message) != record["fields"])


def through_us(module: Any, record: dict[str, Any]) -> dict[str, Any]:
    """Everything that the public contract has, read and written again by our smaller copy."""
    message = getattr(module, record["message"]).FromString(base64.b64decode(record["whole"]))
    again = base64.b64encode(message.SerializeToString()).decode()
    return {"message": record["message"], "wire": again, "whole": record["whole"]}


def ours(contract: str, seed: int, count: int) -> list[dict[str, Any]]:
    """Random messages of our own code."""
    module, names = module_of(contract), envoy_peer.CONTRACTS[contract][2]
    rng, made = random.Random(seed), []  # noqa: S311 - the same messages again
    for number in range(count):
        name = names[number % len(names)]
        message = getattr(module, name)()
        envoy_peer.fill(message, envoy_peer.shape_of(message.DESCRIPTOR), rng)
        made.append(envoy_peer.line(name, message))
    return made


def exchange(python: str, contract: str, seed: int, count: int) -> tuple[int, list[str]]:
    """Messages that mean something else on either side, and those that the public package made."""
    module, names = module_of(contract), envoy_peer.CONTRACTS[contract][2]
    shapes = {name: envoy_peer.shape_of(getattr(module, name).DESCRIPTOR) for name in names}
    made = ask(python, "make", contract, json.dumps(shapes), str(seed), str(count)).splitlines()
    theirs = [json.loads(text) for text in made]
    wrong = sum(differs(module, record) for record in theirs) + abs(len(theirs) - count)
    back = [*ours(contract, seed, count), *(through_us(module, record) for record in theirs)]
    wrong += int(ask(python, "check", contract, lines="\n".join(json.dumps(record) for record in back)))
    return wrong, made


def main() -> int:
    """0 when nothing differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="write the recorded messages anew")
    parser.add_argument("--seed", type=int, default=20_261_121)
    parser.add_argument("--count", type=int, default=4000)
    options = parser.parse_args()
    found = 0
    with tempfile.TemporaryDirectory() as scratch:
        python = other_environment(Path(scratch) / "other")
        for contract in envoy_peer.CONTRACTS:
            wrong, made = exchange(python, contract, options.seed, options.count)
            found += wrong
            sys.stdout.write(f"envoy wire, {contract}: {3 * options.count} messages with {PACKAGE}, {wrong} differ\n")
            if options.record:
                head = {"made_by": PACKAGE, "command": "python -m tools.envoy_wire --record", "seed": options.seed}
                lines = [json.dumps(head), *made[:RECORDED]]
                record_of(contract).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
