"""`hauberk evidence soc2|hipaa`: a report of what enforces each control, looked at on the running system."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.arguments import add_data
from cli.errors import CliError
from cli.terminal import err, print_json

if TYPE_CHECKING:
    from cli.evidence.model import Controls
    from cli.evidence.system import System

HELP = "report what enforces each control of SOC 2 or HIPAA, checked on the running system"
ABOUT = """\
Looks at the running system and says for each control what enforces it, what was found, which tests and events prove it,
and what is not done. What fails is a gap; what could not be looked at is said so, and never counts as evidence.

Controls are data (policies/evidence.yaml, or --controls with your own). It is evidence, no certificate.
Needs the stack that `hauberk up` runs in the data folder. Reading the trail for it is itself put on record.
"""
EXAMPLES = """\
examples:
  hauberk evidence soc2 > soc2.md
  hauberk evidence hipaa --json > hipaa.json
  hauberk evidence soc2 --out soc2.md

exit status: 0 every control is evidenced, 1 there is a gap or something could not be looked at, 2 could not be done
"""
ROOT = Path(__file__).resolve().parents[2]
CONTROLS = ROOT / "policies" / "evidence.yaml"


def configure(parser: argparse.ArgumentParser) -> None:
    """Which framework, and where."""
    from cli.places import DEFAULT_POLICY

    parser.add_argument("framework", metavar="soc2|hipaa", help="a framework of the controls file")
    parser.add_argument("--controls", type=Path, default=CONTROLS, metavar="FILE", help="controls of your own")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write there instead of standard output")
    parser.add_argument("--json", action="store_true", help="JSON instead of Markdown")
    # Retention's own place: the same data folder, its default policy and archive.
    parser.set_defaults(passwords=None, policy=DEFAULT_POLICY, archive=None)
    add_data(parser)


def run(args: argparse.Namespace) -> int:
    """Looks, and writes."""
    from cli.evidence.model import EVIDENCED
    from cli.evidence.report import markdown
    from cli.evidence.system import with_system

    controls = controls_of(args.controls)
    if args.framework not in controls.frameworks:
        raise CliError(f"{args.framework} is none of {', '.join(sorted(controls.frameworks))}")

    async def look(system: System) -> int:
        body = await looked(args.framework, controls, system)
        if args.json and args.out is None:
            print_json(body)
        else:
            _write(args.out, _json(body) if args.json else markdown(body))
        return 0 if body["coverage"][EVIDENCED] == body["coverage"]["controls"] else 1

    return asyncio.run(with_system(args, look))


async def looked(framework: str, controls: Controls, system: System) -> dict[str, Any]:
    """The report on one framework."""
    from datetime import UTC, datetime

    from cli.evidence.model import assess
    from cli.evidence.report import report
    from cli.evidence.system import counted, probed

    own = [each for each in controls.controls if each.framework == framework]
    found = await probed(system, [name for each in own for name in each.probes])
    events = await counted(system, [code for each in own for code in each.events])
    tests = await asyncio.to_thread(_tests, {path for each in own for path in each.tests})
    assessed = [assess(each, found, events, tests) for each in own]
    return report(controls.frameworks[framework], framework, assessed, datetime.now(UTC))


def controls_of(path: Path) -> Controls:
    """The controls of a file. Raises CliError."""
    import yaml

    from cli.evidence.model import ControlsError, parse
    from cli.evidence.system import PROBES
    from services.audit.catalogue import catalogue

    try:
        return parse(yaml.safe_load(path.read_bytes()), frozenset(PROBES), frozenset(catalogue()))
    except (OSError, yaml.YAMLError) as error:
        raise CliError(f"{path} cannot be read ({type(error).__name__})") from None
    except ControlsError as error:
        raise CliError(f"{path}: {error}") from None


def _tests(paths: set[str]) -> dict[str, bool | None]:
    """Whether each is in the tree; None when this is no checkout."""
    if not (ROOT / "tests").is_dir():
        return dict.fromkeys(paths, None)
    return {path: (ROOT / path).is_file() for path in paths}


def _json(body: object) -> str:
    import json

    return json.dumps(body, ensure_ascii=False, indent=2) + "\n"


def _write(path: Path | None, text: str) -> None:
    if path is None:
        sys.stdout.write(text)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CliError(f"{path} cannot be written ({type(error).__name__})") from None
    err().print(f"written to {path}")
