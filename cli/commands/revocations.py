"""`hauberk revocations`: how far each process has applied the feed of revocations."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from cli.arguments import add_data
from cli.terminal import out, print_json

HELP = "show how far each process has applied the feed of revocations"
ABOUT = """\
Every process that believes transaction tokens follows a feed of revocations. This prints them with the last revocation
that each has applied, the slowest first. One that does not hear the feed asks auth about each call instead.

Asks the stack that `hauberk up` runs in the data folder, as its operator.
"""
EXAMPLES = """\
examples:
  hauberk revocations
  hauberk revocations --json

exit status: 0 every process follows and has applied everything, 1 some do not or have not
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Where, and how it is printed."""
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    add_data(parser)


def run(args: argparse.Namespace) -> int:
    """Asks once and prints."""
    answer = asyncio.run(_status(args))
    processes = [
        {
            "process": process.process,
            "sequence": process.sequence,
            "behind": process.behind,
            "following": process.following,
            "silent_seconds": process.silent_for.ToTimedelta().total_seconds(),
        }
        for process in answer.processes
    ]
    if args.json:
        print_json({"sequence": answer.sequence, "processes": processes})
    else:
        out().print(_table(answer.sequence, processes))
    return 0 if all(process["following"] and not process["behind"] for process in processes) else 1


async def _status(args: argparse.Namespace) -> Any:
    from hauberk.auth.v1 import auth_service_pb2 as auth
    from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub

    from cli.asking import TIMEOUT
    from embedded.client import Connection

    connection = Connection(args.data)
    try:
        stub = AuthServiceStub(connection.channel("auth", "operator"))
        return await stub.RevocationStatus(auth.RevocationStatusRequest(), timeout=TIMEOUT)
    finally:
        await connection.close()


def _table(head: int, processes: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, caption=f"last revocation: {head}", caption_justify="left")
    for title in ("process", "applied", "behind", "decides by", "reported"):
        table.add_column(title, justify="right" if title in {"applied", "behind"} else "left")
    for process in processes:
        by = "memory" if process["following"] else "[yellow]asking auth[/]"
        ago = f"{process['silent_seconds']:.0f} s ago"
        table.add_row(process["process"], str(process["sequence"]), str(process["behind"]), by, ago)
    return table
