"""Runs the example backends against an embedded stack, one trace each: python -m tools.examples [LANGUAGE ...].

Generates each one's client by its own buf configuration and builds it below `.state/examples`. A language whose
toolchain is not on this machine is left out, and said so; `--all` makes that a failure.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from embedded.stack import Stack, StackOptions
from tools.example_builds import BUILDS, Build, BuildError, BuildTooLongError, image
from tools.example_runs import TOOL, Run, offer_tool, run_example, wrong

ROOT = Path(__file__).resolve().parents[1]
STATE = ROOT / ".state" / "examples"


async def run_all(built: dict[str, list[str]]) -> list[Run]:
    """Every built example in turn, against one fresh stack."""
    base = Path(tempfile.mkdtemp(prefix="hauberk-examples-"))
    spans = InMemorySpanExporter()
    runs = []
    try:
        async with Stack.running(base / "data", StackOptions(spans=spans)) as stack:
            await offer_tool(stack)
            for language, command in built.items():
                runs.append(await run_example(language, command, stack, spans))
    finally:
        shutil.rmtree(base, ignore_errors=True)
    return runs


def build_all(wanted: list[Build], seconds: float) -> dict[str, list[str]]:
    """Commands by language; says loudly which ones are left out."""
    STATE.mkdir(parents=True, exist_ok=True)
    descriptors = image(STATE / "hauberk.binpb")
    built = {}
    for build in wanted:
        if missing := build.missing():
            print(f"SKIPPED {build.language}: not on this machine: {', '.join(missing)}", file=sys.stderr)
            continue
        started = time.monotonic()
        try:
            built[build.language] = build.make(ROOT / "examples", STATE, descriptors, seconds)
        except BuildTooLongError as error:
            print(f"SKIPPED {build.language}: {error}", file=sys.stderr)
            continue
        print(f"{build.language}: generated and built in {time.monotonic() - started:.1f} s", flush=True)
    return built


def main() -> int:
    """0 when every example that could run did as expected."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("languages", nargs="*", choices=[*BUILDS, []], help="default: every one")
    parser.add_argument("--all", action="store_true", help="fail when one is left out")
    parser.add_argument("--build-seconds", type=float, default=600, help="leave out what takes longer to build")
    options = parser.parse_args()
    wanted = [BUILDS[name] for name in options.languages or BUILDS]
    try:
        built = build_all(wanted, options.build_seconds)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    runs = asyncio.run(run_all(built))
    failed = options.all and len(built) < len(wanted)
    for run in runs:
        faults = wrong(run)
        failed = failed or bool(faults)
        print(f"{run.language}: {'; '.join(faults) or 'as expected'} in {run.seconds:.2f} s")
        print(f"  trace {run.trace_id}: {run.spans} spans of {', '.join(sorted(run.services))}")
    print(f"{len(runs)} of {len(wanted)} examples ran with the tool {TOOL.tool}, one trace each")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
