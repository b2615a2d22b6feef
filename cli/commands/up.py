"""`hauberk up`: everything on this machine, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from cli.arguments import DATA, add_data, port
from cli.terminal import err, out

if TYPE_CHECKING:
    from rich.console import Console

    from embedded.stack import Stack

HELP = "run the whole stack on this machine, in one data folder"
ABOUT = """\
Starts a real PostgreSQL and a real Redis in a private data folder, and every service and the gateway in this process.
Data are kept from one run to the next. Ctrl-C (or SIGTERM) stops everything in order.

The first start makes what is needed: keys, a development certificate authority, two organisations (acme and globex),
and an API key, which is shown once.
"""
EXAMPLES = """\
examples:
  hauberk up
  hauberk up --data /srv/hauberk --port 7443
  hauberk up --otlp http://127.0.0.1:4317        send traces to a collector, such as Jaeger
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Where, and on which port."""
    add_data(parser)
    parser.add_argument(
        "--port", type=port, default=7443, help="port on loopback; 0 = any free one (default: %(default)s)"
    )
    parser.add_argument(
        "--http-port",
        type=port,
        metavar="PORT",
        help="port of HTTP/JSON and AuthZEN (default: 8443; a free one with --port 0)",
    )
    parser.add_argument("--otlp", default="", metavar="URL", help="send traces there (OTLP over gRPC)")


def run(args: argparse.Namespace) -> int:
    """Serves until told to stop."""
    asyncio.run(_serve(args))
    return 0


async def _serve(args: argparse.Namespace) -> None:
    from embedded.stack import Stack, StackOptions
    from services.kit.run import settle_heap, stop_request

    stop = stop_request()
    progress = err()
    progress.print("starting PostgreSQL, Redis, the services and the gateway ...")
    http_port = args.http_port if args.http_port is not None else (8443 if args.port else 0)
    options = StackOptions(gateway_port=args.port, edge_port=http_port, otlp_endpoint=args.otlp)
    async with Stack.running(args.data, options) as stack:
        settle_heap()
        _tell(out(), stack, args)
        await stop.wait()
        progress.print("\nstopping ...")
    progress.print("stopped")


def _tell(console: Console, stack: Stack, args: argparse.Namespace) -> None:
    from rich.table import Table
    from rich.text import Text

    from cli.show import indented, say

    facts = Table.grid(padding=(0, 2))
    facts.add_row("gateway and services", f"{stack.address}   (gRPC, mutual TLS)")
    facts.add_row("HTTP/JSON, AuthZEN", f"https://{stack.edge_address}   (see /openapi.json; authority: tls/ca.crt)")
    facts.add_row("health, reflection", f"{stack.ops_address}   (loopback only, plain)")
    facts.add_row("data folder", str(stack.folder))
    facts.add_row("client certificate", f"{stack.client().cert}   (its key beside it, and ca.crt)")
    say(console, "Hauberk is up", "bold green")
    console.print(indented(facts))
    if stack.first_start:
        say(console, f"\nThe first API key, of {stack.admin} at {stack.organisation}; it is shown this once:", "bold")
        console.print(indented(Text(stack.api_key, "bold cyan")))
    say(
        console,
        "\nKeys lie beside the data in this folder: whoever can read it can act as anybody. "
        "For development; production brings its own keys and certificates (hauberk prepare --help).",
        "yellow",
    )
    data = "" if args.data == DATA else f" --data {args.data}"
    say(console, "\nTry next, in another terminal:")
    for line in (
        f'hauberk admit{data} "My SSN is 123-45-6789"',
        f'hauberk complete{data} ADMISSION "Noted: <US_SSN>."',
        f"hauberk admit{data} --brand globex-chat hello",
        "hauberk chain",
    ):
        console.print(indented(Text(line, "cyan")))
    say(console, "\nCtrl-C stops everything; the data stay.")
