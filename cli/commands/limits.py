"""`hauberk limits show|grant|reset`: what is left, another amount for a while, a counter at zero, forgiveness."""

from __future__ import annotations

import argparse
import asyncio
import re
from typing import Any

from cli.arguments import add_data
from cli.errors import CliError
from cli.terminal import out, print_json

HELP = "show limits and penalties, raise or lower one for a while, reset one"
ABOUT = """\
  show    every limit of a user with what is left, what is granted, and what is held against the user
  grant   another amount for one limit of an organisation, for a while; a later grant takes its place
  reset   a counter back to zero (--limit), or what is held against one subject wiped (--penalty), or both

Asks the stack that `hauberk up` runs in the data folder: `show` as its first administrator or the user named, the
others as its operator. A grant counts here at once and in other processes within seconds, ends by itself after at most
90 days, and is on record in the organisation's own trail, as a reset is.
"""
EXAMPLES = """\
examples:
  hauberk limits show
  hauberk limits show bob --json
  hauberk limits grant organisation.money.day 25000000 --for 7d --reason launch
  hauberk limits reset --limit user_brand.messages.hour --user bob
  hauberk limits reset --penalty --user bob
  hauberk limits reset --penalty --address 203.0.113.7

exit status: 0 done, 2 could not be done
"""
_SIZES = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_TIME = re.compile(r"(\d{1,7})([smhd])")


def configure(parser: argparse.ArgumentParser) -> None:
    """What to do, to whom."""
    parser.add_argument("what", choices=("show", "grant", "reset"))
    parser.add_argument("who", nargs="?", default="", metavar="WHO", help="show: a user; grant: the limit's id")
    parser.add_argument("amount", nargs="?", type=int, metavar="AMOUNT", help="grant: in the limit's unit")
    parser.add_argument(
        "--for", dest="seconds", type=seconds, metavar="TIME", help="grant: 30s, 15m, 12h, 7d; most 90d"
    )
    parser.add_argument("--reason", default="operator", metavar="CODE", help="grant: why (default: %(default)s)")
    parser.add_argument("--limit", default="", metavar="ID", help="reset: this counter")
    parser.add_argument("--penalty", action="store_true", help="reset: what is held against the subject")
    parser.add_argument("--organisation", default="", metavar="ID", help="default: the first organisation")
    parser.add_argument("--brand", default="", metavar="ID", help="default: the first brand")
    parser.add_argument("--user", default="", metavar="ID", help="reset: of this user of the brand")
    parser.add_argument("--key", default="", metavar="ID", help="reset: of this API key")
    parser.add_argument("--address", default="", metavar="IP", help="reset: of this client address")
    parser.add_argument("--model-or-tool", default="", metavar="NAME", help="reset: of a limit counted by one")
    parser.add_argument("--json", action="store_true", help="print JSON instead")
    add_data(parser)


def seconds(text: str) -> int:
    """A length of time."""
    found = _TIME.fullmatch(text)
    if found is None or not 1 <= int(found[1]) * _SIZES[found[2]] <= 90 * 86_400:
        raise argparse.ArgumentTypeError(f"{text} is not a time from 1s to 90d, such as 12h")
    return int(found[1]) * _SIZES[found[2]]


def run(args: argparse.Namespace) -> int:
    """Does one of the three."""
    if args.what == "grant" and (not args.who or args.amount is None or args.seconds is None):
        args.parser.error("grant needs the id of a limit, an amount and --for")
    if args.what == "reset" and not (args.limit or args.penalty):
        args.parser.error("reset needs --limit or --penalty")
    answer = asyncio.run({"show": _show, "grant": _grant, "reset": _reset}[args.what](args))
    if args.json:
        from google.protobuf import json_format

        print_json(json_format.MessageToDict(answer, preserving_proto_field_name=True))
    else:
        from cli.limits import lines

        for line in lines(answer):
            out().print(line)
    return 0


async def _show(args: argparse.Namespace) -> Any:
    from hauberk.auth.v1 import auth_service_pb2 as auth
    from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub
    from hauberk.ratelimit.v1 import ratelimit_service_pb2 as pb
    from hauberk.ratelimit.v1.ratelimit_service_pb2_grpc import RateLimitServiceStub

    from cli.asking import TIMEOUT, by_jwt, by_key, reach

    async with reach(args.data) as stack:
        who = by_jwt(stack.user_jwt(args.who)) if args.who else by_key(stack.api_key)
        request = auth.AuthenticateRequest(credential=who, brand=args.brand or stack.brand)
        proven = await AuthServiceStub(stack.channel("auth")).Authenticate(request, timeout=TIMEOUT)
        if not proven.txn_token:
            raise CliError(f"{args.who or 'the administrator'} is not accepted at this brand")
        stub = RateLimitServiceStub(stack.channel("ratelimit"))
        own = (("txn-token", proven.txn_token),)
        return await stub.Inspect(pb.InspectRequest(), timeout=TIMEOUT, metadata=own)


async def _grant(args: argparse.Namespace) -> Any:
    from hauberk.ratelimit.v1 import ratelimit_service_pb2 as pb
    from hauberk.ratelimit.v1.ratelimit_service_pb2_grpc import RateLimitServiceStub

    from cli.asking import TIMEOUT, reach

    async with reach(args.data) as stack:
        request = pb.GrantRequest(
            organisation=args.organisation or stack.organisation,
            limit_id=args.who,
            limit=args.amount,
            reason_code=args.reason,
        )
        request.ttl.FromSeconds(args.seconds)
        return await RateLimitServiceStub(stack.channel("ratelimit", "operator")).Grant(request, timeout=TIMEOUT)


async def _reset(args: argparse.Namespace) -> Any:
    from hauberk.ratelimit.v1 import ratelimit_service_pb2 as pb
    from hauberk.ratelimit.v1.ratelimit_service_pb2_grpc import RateLimitServiceStub

    from cli.asking import TIMEOUT, reach

    async with reach(args.data) as stack:
        request = pb.ResetRequest(
            organisation="" if args.address else args.organisation or stack.organisation,
            limit_id=args.limit,
            brand="" if args.address or args.key else args.brand or stack.brand,
            user=args.user,
            api_key_id=args.key,
            client_address=args.address,
            model_or_tool=args.model_or_tool,
            penalty=args.penalty,
        )
        return await RateLimitServiceStub(stack.channel("ratelimit", "operator")).Reset(request, timeout=TIMEOUT)
