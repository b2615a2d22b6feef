"""`hauberk check-config SERVICE [FILE]`: would this service start with these settings?"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from cli.services import RUNNABLE, settings_type

HELP = "check a service's settings and policy without starting it"
ABOUT = """\
Loads the settings as the service would (FILE or HAUBERK_CONFIG, then HAUBERK_* variables), and the policy that they
name. Prints `ok`, or each wrong key on a line of its own. No store, peer, key or certificate is touched.
"""
EXAMPLES = f"""\
examples:
  hauberk check-config ratelimit
  hauberk check-config redaction prepared/settings/redaction.yaml

services: {", ".join(RUNNABLE)}
exit status: 0 ok, 1 something is wrong
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Which service, which file."""
    parser.add_argument("service", metavar="SERVICE", choices=RUNNABLE, help=", ".join(RUNNABLE))
    parser.add_argument("file", metavar="FILE", nargs="?", type=Path, help="settings, YAML (default: HAUBERK_CONFIG)")


def run(args: argparse.Namespace) -> int:
    """Prints what is wrong."""
    from gateway.stages import ChainError
    from services.kit.settings import SettingsError

    environ = dict(os.environ)
    if args.file:
        environ["HAUBERK_CONFIG"] = str(args.file)
    try:
        _check_policy(args.service, settings_type(args.service).load(environ))
    except (SettingsError, ChainError, ValueError) as error:
        for line in str(error).replace("\n", "; ").split("; "):
            sys.stdout.write(f"wrong  {line}\n")
        return 1
    sys.stdout.write("ok\n")
    return 0


def _check_policy(service: str, settings: Any) -> None:
    """What the service's own bootstrap would load before it touches a store."""
    if service == "ratelimit":
        from services.ratelimit.adapters.policy_file import load_policy

        load_policy(settings.ratelimit_policy)
    elif service == "auth":
        from services.auth.adapters.policy_file import load_policy as load_auth_policy

        load_auth_policy(settings.auth_policy)
    elif service == "redaction":
        from services.redaction.bootstrap import load_rules, make_detector

        detector = make_detector(settings)
        load_rules(settings, detector.findable, detector.thresholds)
    elif service == "tenancy":
        from services.tenancy.bootstrap import load_engine

        load_engine(settings.tenancy_policies)
    elif service == "gateway":
        from gateway import replies, stages
        from gateway.edge.rules import load_edges

        for chain in stages.CHAINS.values():
            stages.check_chain(chain, [stage.name for stage in chain])
        replies.load(settings.gateway_policy)
        load_edges(settings.gateway_policy)
    elif service == "audit":
        from services.audit.response_bootstrap import load_policy as load_response_policy

        load_response_policy(settings)
    elif service == "guardrail":
        from services.guardrail.bootstrap import load_rules as load_guardrail_rules
        from services.guardrail.bootstrap import load_tools_policy

        load_guardrail_rules(settings)
        load_tools_policy(settings)
