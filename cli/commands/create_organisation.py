"""`hauberk create-organisation ID`: an organisation with its first brand, administrator and API key."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import Any

from cli.terminal import err

# Seconds; compose starts services in any order.
PATIENCE = 15.0

HELP = "create an organisation in a running set of services, and show its first API key once"
ABOUT = """\
Creates an organisation with its first brand and administrator, and prints the administrator's first API key on stdout:
it is shown this once and kept nowhere. Needs the operator's certificate, as `hauberk prepare` makes one.

(`hauberk up` has organisations from the start and needs none of this.)
"""
EXAMPLES = """\
examples:
  hauberk create-organisation acme --brand acme-chat --admin ada --plan pro
  hauberk create-organisation acme --brand acme-chat --admin ada --tls prepared/tls --tenancy tenancy:7443 \\
      --auth auth:7443
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What, and where."""
    parser.add_argument("organisation", metavar="ID", help="id of the organisation, e.g. acme")
    parser.add_argument("--brand", required=True, metavar="B", help="id of its first brand")
    parser.add_argument("--admin", required=True, metavar="U", help="user id of its first administrator")
    parser.add_argument("--plan", default="free", metavar="P", help="its plan (default: %(default)s)")
    parser.add_argument("--name", default="", metavar="TEXT", help="its name for people")
    parser.add_argument("--tls", type=Path, default=Path("prepared/tls"), metavar="FOLDER", help="operator's files")
    parser.add_argument("--tenancy", default="127.0.0.1:7463", metavar="ADDRESS", help="default: %(default)s")
    parser.add_argument("--auth", default="127.0.0.1:7453", metavar="ADDRESS", help="default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Creates both; the key alone goes to stdout."""
    key = asyncio.run(_create(args))
    err().print(f"{args.organisation} is created; the key of {args.admin} follows, and is shown this once")
    sys.stdout.write(f"{key}\n")
    return 0


async def _create(args: argparse.Namespace) -> str:
    from hauberk.auth.v1 import auth_service_pb2 as auth
    from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub
    from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy
    from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

    from services.kit.channels import connect
    from services.kit.tls import TlsFiles

    files = TlsFiles(args.tls / "operator.crt", args.tls / "operator.pem", args.tls / "ca.crt")
    wanted = tenancy.CreateOrganisationRequest(
        organisation=args.organisation,
        display_name=args.name or args.organisation,
        plan=args.plan,
        first_brand=args.brand,
        first_admin=args.admin,
    )
    first = auth.BootstrapApiKeyRequest(organisation=args.organisation, subject=args.admin, brand=args.brand)
    async with connect(args.tenancy, "tenancy", files) as directory, connect(args.auth, "auth", files) as keys:
        await _patiently(TenancyServiceStub(directory).CreateOrganisation, wanted)
        answer = await _patiently(AuthServiceStub(keys).BootstrapApiKey, first)
    return str(answer.api_key)


async def _patiently(method: Any, request: Any) -> Any:
    """Asks again while a service that has just started does not have its peers yet."""
    import grpc
    from grpc import aio

    until = time.monotonic() + PATIENCE
    while True:
        try:
            return await method(request, timeout=10)
        except aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE or time.monotonic() > until:
                raise
        await asyncio.sleep(0.25)
