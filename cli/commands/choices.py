"""`hauberk choices show|put guardrail|redaction`: what an organisation chose for itself, as a file and back."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any

from cli.arguments import add_data
from cli.errors import CliError
from cli.terminal import out, print_json

HELP = "show and change an organisation's choices for the guardrail and for redaction"
ABOUT = """\
  show AREA         prints the choices as YAML, to keep in a file and to put back
  put AREA FILE     puts the choices of a YAML file in force, all of them: what it leaves out is as installed again

  guardrail   mode (observe, flag, redact, block), how many harmless texts may be stopped, allowed phrases with their
              last day, hosts that answers may link to, shapes of identifiers; for all brands, or for one (--brand)
  redaction   how placeholders are written (readable, tagged), what late names mean (closed, patterns_only)

Names of fields and values are those of the contract. A change is in force in every process within seconds, and on
record. Asks the stack that `hauberk up` runs in the data folder, as its first administrator.
"""
EXAMPLES = """\
examples:
  hauberk choices show guardrail > guardrail.yaml
  hauberk choices put guardrail guardrail.yaml --brand acme-chat
  echo 'placeholder_style: PLACEHOLDER_STYLE_TAGGED' > redaction.yaml && hauberk choices put redaction redaction.yaml

exit status: 0 done, 2 could not be done
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What to do, with the choices for which service."""
    parser.add_argument("what", choices=("show", "put"))
    parser.add_argument("area", choices=("guardrail", "redaction"))
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="put: the choices as YAML")
    parser.add_argument("--brand", default="", metavar="B", help="guardrail: for this brand alone")
    parser.add_argument("--json", action="store_true", help="print JSON instead")
    add_data(parser)


def run(args: argparse.Namespace) -> int:
    """Does one of the two."""
    if args.what == "put" and args.file is None:
        raise CliError("put needs a file (see: hauberk choices --help)")
    if args.brand and args.area != "guardrail":
        raise CliError("only the guardrail has choices by brand")
    from google.protobuf import json_format

    choices, version = asyncio.run(_ask(args))
    said = json_format.MessageToDict(choices, preserving_proto_field_name=True)
    if args.json:
        print_json({"choices": said, "version": version})
    elif args.what == "put":
        out().print(f"in force, version {version}", markup=False)
    else:
        import yaml

        out().print(yaml.safe_dump(said, sort_keys=False).rstrip() if said else "# as installed", markup=False)
    return 0


async def _ask(args: argparse.Namespace) -> tuple[Any, str]:
    """The choices in force afterwards, and the version they are part of."""
    from hauberk.guardrail.v1 import guardrail_service_pb2 as guard
    from hauberk.guardrail.v1.guardrail_service_pb2_grpc import GuardrailServiceStub
    from hauberk.redaction.v1 import redaction_service_pb2 as redaction
    from hauberk.redaction.v1.redaction_service_pb2_grpc import RedactionServiceStub

    from cli.asking import TIMEOUT, reach
    from cli.members import Administrator

    guarding = args.area == "guardrail"
    wanted = _read(args.file, guard.GuardPolicy() if guarding else redaction.RedactionSettings()) if args.file else None
    async with reach(args.data) as stack:
        how: Any = {"timeout": TIMEOUT, "metadata": await Administrator(stack).metadata()}
        if guarding:
            guards = GuardrailServiceStub(stack.channel("guardrail"))
            if args.what == "put":
                request = guard.PutGuardPolicyRequest(brand=args.brand, policy=wanted)
                return wanted, str((await guards.PutGuardPolicy(request, **how)).version)
            found = await guards.GetGuardPolicy(guard.GetGuardPolicyRequest(brand=args.brand), **how)
            return found.policy, str(found.version)
        redactions = RedactionServiceStub(stack.channel("redaction"))
        if args.what == "put":
            put = await redactions.PutRedactionSettings(redaction.PutRedactionSettingsRequest(settings=wanted), **how)
            return put.settings, put.policy_version
        kept = await redactions.GetRedactionSettings(redaction.GetRedactionSettingsRequest(), **how)
        return kept.settings, kept.policy_version


def _read(file: Path, into: Any) -> Any:
    """The choices of a file; CliError naming what is wrong with it."""
    import yaml
    from google.protobuf import json_format

    try:
        said = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except OSError:
        raise CliError(f"{file} cannot be read") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise CliError(f"{file} is not YAML") from None
    if not isinstance(said, dict):
        raise CliError(f"{file} must hold fields and their values")
    try:
        return json_format.ParseDict(_plain(said), into)
    except json_format.ParseError as error:
        raise CliError(f"{file}: {error}") from None


def _plain(value: Any) -> Any:
    """Days as text, as the contract has them; YAML reads them as dates."""
    if isinstance(value, dict):
        return {str(name): _plain(below) for name, below in value.items()}
    if isinstance(value, list):
        return [_plain(below) for below in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
