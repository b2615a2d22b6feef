"""`hauberk api-keys list|create|import|rotate|revoke|use|peppers`: the API keys of an organisation."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import sys
from typing import Any

from cli.arguments import add_data, read_text
from cli.errors import CliError
from cli.terminal import err, out, print_json

HELP = "list, create, rotate and revoke API keys; see who still uses one"
ABOUT = """\
  list      every key, with its end and its last use (up to a minute late); never the key itself
  create    a new key for a member; it alone goes to standard output, and is shown this once
  import    takes over a key made elsewhere, read from standard input; only its SHA-256 leaves this process
  rotate    a new key in place of ID; the old one stays good for --grace days (default: 7)
  revoke    ends ID at once, everywhere
  use       who used ID last, by workload and network: who is still to change to its successor
  peppers   how many keys still need each version of the pepper; at 0 one may be taken away (`hauberk keys retire`)

Asks the stack that `hauberk up` runs in the data folder, with the key of its first administrator (`peppers`: as its
operator). Changes are put on record.
"""
EXAMPLES = """\
examples:
  hauberk api-keys list
  hauberk api-keys create --subject ada --scope chat --days 90 --from 192.0.2.0/24 --limit requests:100:60
  hauberk api-keys rotate key_0123456789abcdefABCDEF --grace 1
  hauberk api-keys use key_0123456789abcdefABCDEF
  hauberk api-keys peppers --json

exit status: 0 done, 2 could not be done
"""
WHAT = ("list", "create", "import", "rotate", "revoke", "use", "peppers")
PAGE = 200
_UNITS = {
    "requests": "KEY_LIMIT_UNIT_REQUESTS",
    "tokens": "KEY_LIMIT_UNIT_TOKENS",
    "micro_usd": "KEY_LIMIT_UNIT_MICRO_USD",
}
_DAY = 86_400


def configure(parser: argparse.ArgumentParser) -> None:
    """What to do, with which key."""
    parser.add_argument("what", choices=WHAT)
    parser.add_argument("key_id", nargs="?", default="", metavar="ID", help="rotate, revoke, use: the id of the key")
    parser.add_argument("--subject", default="", metavar="U", help="create: its user (default: the administrator)")
    parser.add_argument("--brand", default="", metavar="B", help="create: the one brand it is good for")
    parser.add_argument("--scope", action="append", default=[], metavar="S", help="create: a scope; may be repeated")
    parser.add_argument("--name", default="", metavar="TEXT", help="create: a label for people")
    parser.add_argument("--days", type=float, metavar="N", help="create: its life (default: no end)")
    parser.add_argument(
        "--from", dest="networks", action="append", default=[], metavar="NET", help="create: a network it may come from"
    )
    parser.add_argument(
        "--limit", action="append", default=[], type=limit, metavar="UNIT:AMOUNT:SECONDS", help="create: a limit"
    )
    parser.add_argument("--grace", type=float, metavar="DAYS", help="rotate: 0 to 30 (default: 7)")
    parser.add_argument("--json", action="store_true", help="print JSON instead")
    add_data(parser)


def limit(text: str) -> tuple[str, int, int]:
    """`requests:100:60`."""
    unit, _, rest = text.partition(":")
    amount, _, seconds = rest.partition(":")
    if unit not in _UNITS or not amount.isdigit() or not seconds.isdigit():
        raise argparse.ArgumentTypeError(f"{text} is not like requests:100:60 (units: {', '.join(_UNITS)})")
    return unit, int(amount), int(seconds)


def run(args: argparse.Namespace) -> int:
    """Does one of them."""
    if args.what in {"rotate", "revoke", "use"} and not args.key_id:
        args.parser.error(f"{args.what} needs the id of a key")
    if args.grace is not None and not 0 <= args.grace <= 30:
        args.parser.error("--grace is 0 to 30 days")
    return asyncio.run(_peppers(args) if args.what == "peppers" else _do(args))


async def _do(args: argparse.Namespace) -> int:
    from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub

    from cli.asking import TIMEOUT, reach
    from cli.members import Administrator

    async with reach(args.data) as stack:
        stub, administrator = AuthServiceStub(stack.channel("auth")), Administrator(stack)

        async def ask(method: str, request: Any) -> Any:
            return await getattr(stub, method)(request, timeout=TIMEOUT, metadata=await administrator.metadata())

        args.subject = args.subject or stack.admin
        work = {"list": _list, "create": _create, "import": _import, "rotate": _rotate, "revoke": _revoke, "use": _use}
        return await work[args.what](args, ask)


async def _list(args: argparse.Namespace, ask: Any) -> int:
    from hauberk.auth.v1 import auth_service_pb2 as pb

    from cli.key_tables import as_dict, keys_table

    found: list[Any] = []
    request = pb.ListApiKeysRequest(page_size=PAGE)
    while True:
        page = await ask("ListApiKeys", request)
        found += page.keys
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    if args.json:
        print_json({"keys": [as_dict(key) for key in found]})
    else:
        out().print(keys_table(found))
    return 0


async def _create(args: argparse.Namespace, ask: Any) -> int:
    from hauberk.auth.v1 import auth_service_pb2 as pb

    answer = await ask("CreateApiKey", _wanted(args, pb.CreateApiKeyRequest()))
    return _show(args, answer.key, answer.api_key)


async def _import(args: argparse.Namespace, ask: Any) -> int:
    from hauberk.auth.v1 import auth_service_pb2 as pb

    text = read_text("-").strip()
    if not text:
        raise CliError("no key on standard input")
    request = _wanted(args, pb.ImportApiKeyRequest())
    request.sha256 = hashlib.sha256(text.encode()).digest()
    return _show(args, (await ask("ImportApiKey", request)).key, "")


async def _rotate(args: argparse.Namespace, ask: Any) -> int:
    from hauberk.auth.v1 import auth_service_pb2 as pb

    request = pb.RotateApiKeyRequest(key_id=args.key_id)
    if args.grace is not None:
        request.grace.FromSeconds(round(args.grace * _DAY))
    answer = await ask("RotateApiKey", request)
    end = answer.old_key_expires_at.ToDatetime().strftime("%Y-%m-%d %H:%M")
    err().print(f"the old key is good until {end} UTC; `hauberk api-keys use {args.key_id}` shows who still uses it")
    return _show(args, answer.key, answer.api_key)


async def _revoke(args: argparse.Namespace, ask: Any) -> int:
    from hauberk.auth.v1 import auth_service_pb2 as pb

    return _show(args, (await ask("RevokeApiKey", pb.RevokeApiKeyRequest(key_id=args.key_id))).key, "")


async def _use(args: argparse.Namespace, ask: Any) -> int:
    from hauberk.auth.v1 import auth_service_pb2 as pb

    from cli.key_tables import as_dict, uses_table

    answer = await ask("ListApiKeyUse", pb.ListApiKeyUseRequest(key_id=args.key_id))
    if args.json:
        print_json({"uses": [as_dict(use) for use in answer.uses]})
    else:
        out().print(uses_table(answer.uses) if answer.uses else "nobody used it, as far as it is written down")
    return 0


async def _peppers(args: argparse.Namespace) -> int:
    from hauberk.auth.v1 import auth_service_pb2 as pb
    from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub

    from cli.asking import TIMEOUT
    from cli.key_tables import as_dict, peppers_table
    from embedded.client import Connection

    connection = Connection(args.data)
    try:
        stub = AuthServiceStub(connection.channel("auth", "operator"))
        answer = await stub.CountKeysByPepper(pb.CountKeysByPepperRequest(), timeout=TIMEOUT)
    finally:
        await connection.close()
    if args.json:
        print_json({"versions": [as_dict(version) for version in answer.versions]})
    else:
        out().print(peppers_table(answer.versions))
    return 0


def _wanted(args: argparse.Namespace, request: Any) -> Any:
    """The fields that a new and an imported key share."""
    from hauberk.auth.v1 import auth_service_pb2 as pb

    request.subject, request.brand, request.display_name = args.subject, args.brand, args.name
    request.scopes.extend(args.scope or ["chat"])
    request.allowed_addresses.extend(args.networks)
    for unit, amount, seconds in args.limit:
        request.limits.add(unit=pb.KeyLimitUnit.Value(_UNITS[unit]), amount=amount, seconds=seconds)
    if args.days is not None:
        request.ttl.FromSeconds(round(args.days * _DAY))
    return request


def _show(args: argparse.Namespace, key: Any, text: str) -> int:
    """The key alone goes to standard output, so that it can be piped into a secret store."""
    from cli.key_tables import as_dict

    if args.json:
        print_json({"key": as_dict(key), **({"api_key": text} if text else {})})
    elif text:
        err().print(f"{key.key_id} follows, and is shown this once")
        sys.stdout.write(f"{text}\n")
    else:
        out().print(f"{key.key_id}: done")
    return 0
