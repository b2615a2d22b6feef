"""Gets a real Jaeger v2: python -m tools.jaeger.

Built from its Go module at the version below, by its own go.mod and go.sum, which pin everything (`go install`
cannot: that go.mod replaces a module). The build takes ten minutes or more; where Go is missing, the same version is a
container, and this prints how to run it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "deploy" / "jaeger.yaml"
MODULE = "github.com/jaegertracing/jaeger"
# The module's number, and what its container is called.
MODULE_VERSION, IMAGE_VERSION = "v1.76.0", "2.13.0"
FOLDER = ROOT / ".state" / "jaeger"
CONTAINER = (
    "docker run --rm -p 127.0.0.1:16686:16686 -p 127.0.0.1:4317:4317 -v ./deploy/jaeger.yaml:/etc/jaeger.yaml:ro "
    f"jaegertracing/jaeger:{IMAGE_VERSION} --config /etc/jaeger.yaml"
)


def found() -> Path | None:
    """The program: where HAUBERK_JAEGER says, or where `make jaeger` puts it; None = not built here."""
    named = os.environ.get("HAUBERK_JAEGER", "")
    program = Path(named) if named else FOLDER / "jaeger"
    return program if os.access(program, os.X_OK) else None


def source() -> Path:
    """The module's files, downloaded once and checked by Go."""
    command = ["go", "mod", "download", "-json", f"{MODULE}@{MODULE_VERSION}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=FOLDER)
    return Path(json.loads(done.stdout)["Dir"])


def build() -> Path:
    """Compiles it, one package at a time and with the lowest priority: it is large, and the machine may be small."""
    program = FOLDER / "jaeger"
    FOLDER.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "GOFLAGS": "-p=1 -mod=readonly", "GOTOOLCHAIN": "local"}
    command = ["nice", "-n", "15", "go", "build", "-ldflags", "-s -w", "-o", str(program), "./cmd/jaeger"]
    subprocess.run(command, check=True, cwd=source(), env=environment)
    return program


def main() -> int:
    """0 when there is a Jaeger on this machine afterwards."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    program = found()
    if program is None and shutil.which("go") is None:
        print(f"Go is not on this machine. As a container, the same version:\n\n  {CONTAINER}\n", file=sys.stderr)
        return 1
    if program is None:
        print(f"building Jaeger {IMAGE_VERSION} (module {MODULE_VERSION}): ten minutes or more", flush=True)
        try:
            program = build()
        except subprocess.CalledProcessError as error:
            print(f"{error.cmd[0]} failed. As a container, the same version:\n\n  {CONTAINER}\n", file=sys.stderr)
            return 1
    print(f"Jaeger {IMAGE_VERSION} is there. To look at traces (its pages are in the container only):\n")
    print(f"  {program} --config {CONFIG.relative_to(ROOT)}\n  hauberk up --otlp http://127.0.0.1:4317")
    return 0


if __name__ == "__main__":
    sys.exit(main())
