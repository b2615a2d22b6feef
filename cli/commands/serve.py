"""`hauberk serve SERVICE`: one service as a process of its own."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from cli.services import RUNNABLE, settings_rows, start

HELP = "run one service (or the gateway, or the HTTP edge) against its stores and peers"
ABOUT = """\
Runs one service until SIGTERM, with mutual TLS. Settings come from a YAML file (--config or HAUBERK_CONFIG) and from
HAUBERK_* variables, which win; maps take two underscores (HAUBERK_PEERS__AUTH=auth:7443). An unknown key is an error.

`hauberk serve SERVICE --help` lists that service's settings. What it needs once: `hauberk prepare`.
"""
EXAMPLES = f"""\
examples:
  hauberk serve ratelimit --help
  hauberk serve ratelimit --config prepared/settings/ratelimit.yaml
  HAUBERK_REDIS_URL=redis://redis:6379 hauberk serve redaction

services: {", ".join(RUNNABLE)}
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Which one."""
    parser.add_argument("service", metavar="SERVICE", nargs="?", choices=RUNNABLE, help=", ".join(RUNNABLE))
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings, YAML (default: HAUBERK_CONFIG)")
    parser.add_argument("-h", "--help", action="store_true", help="explain, with the settings of SERVICE when named")


def run(args: argparse.Namespace) -> int:
    """Serves, or explains."""
    if args.help:
        args.parser.print_help()
        if args.service:
            _print_settings(args.service)
        return 0
    if args.service is None:
        args.parser.error(f"name a service: {', '.join(RUNNABLE)}")
    if args.config:
        os.environ["HAUBERK_CONFIG"] = str(args.config)
    return start(args.service)


def _print_settings(service: str) -> None:
    write = sys.stdout.write
    write(f"\nsettings of {service} (YAML key, variable, default):\n")
    for row in settings_rows(service):
        write(f"  {row.key:<28} {row.variable:<36} {row.default}\n")
        if row.words:
            write(f"      {row.words}\n")
