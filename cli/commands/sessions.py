"""`hauberk sessions list|revoke`: who has a live session, and the end of one."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from cli.arguments import add_data
from cli.terminal import out, print_json

HELP = "list the live sessions of a user, or end one"
ABOUT = """\
  list     the user's live sessions: id, brand, opened, last use, end, network; never the session itself
  revoke   ends the session with this id, at once and everywhere

Asks the stack that `hauberk up` runs in the data folder, with the key of its first administrator. The last use is up to
a minute behind. Ending a session is put on record.
"""
EXAMPLES = """\
examples:
  hauberk sessions list
  hauberk sessions list bob --json
  hauberk sessions revoke ses_0123456789abcdefABCDEF

exit status: 0 done, 2 could not be done
"""
PAGE = 200


def configure(parser: argparse.ArgumentParser) -> None:
    """What to do, with whom."""
    parser.add_argument("what", choices=("list", "revoke"))
    parser.add_argument(
        "who", nargs="?", default="", metavar="WHO", help="list: a user (default: the administrator); revoke: an id"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead")
    add_data(parser)


def run(args: argparse.Namespace) -> int:
    """Does one of the two."""
    if args.what == "revoke" and not args.who:
        args.parser.error("revoke needs the id of a session")
    return asyncio.run({"list": _list, "revoke": _revoke}[args.what](args))


async def _list(args: argparse.Namespace) -> int:
    from google.protobuf import json_format
    from hauberk.auth.v1 import auth_service_pb2 as pb
    from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub

    from cli.asking import TIMEOUT, reach
    from cli.members import Administrator

    found: list[Any] = []
    async with reach(args.data) as stack:
        stub, administrator = AuthServiceStub(stack.channel("auth")), Administrator(stack)
        request = pb.ListSessionsRequest(subject=args.who, page_size=PAGE)
        while True:
            page = await stub.ListSessions(request, timeout=TIMEOUT, metadata=await administrator.metadata())
            found += page.sessions
            request.page_token = page.next_page_token
            if not request.page_token:
                break
    if args.json:
        print_json({"sessions": [json_format.MessageToDict(one, preserving_proto_field_name=True) for one in found]})
    else:
        out().print(_table(found) if found else "no live session")
    return 0


async def _revoke(args: argparse.Namespace) -> int:
    from hauberk.auth.v1 import auth_service_pb2 as pb
    from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub

    from cli.asking import TIMEOUT, reach
    from cli.members import Administrator

    async with reach(args.data) as stack:
        own = await Administrator(stack).metadata()
        request = pb.RevokeSessionRequest(session_id=args.who)
        await AuthServiceStub(stack.channel("auth")).RevokeSession(request, timeout=TIMEOUT, metadata=own)
    if args.json:
        print_json({"revoked": args.who})
    else:
        out().print("revoked")
    return 0


def _table(found: list[Any]) -> Any:
    from rich.table import Table
    from rich.text import Text

    rows = Table(box=None, pad_edge=False)
    for title in ("session", "brand", "opened (UTC)", "last use", "ends", "from"):
        rows.add_column(title)
    for one in found:
        times = [stamp.ToDatetime().strftime("%m-%d %H:%M") for stamp in (one.created_at, one.last_seen_at)]
        end = one.expires_at.ToDatetime().strftime("%m-%d %H:%M")
        rows.add_row(Text(one.session_id), Text(one.brand), *times, end, Text(one.network or "-"))
    return rows
