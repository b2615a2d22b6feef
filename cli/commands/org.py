"""`hauberk org list|plans|show|create|update|suspend|resume|settings`: organisations, as their operator."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

from cli.arguments import add_data
from cli.terminal import err

HELP = "list, create, change and suspend organisations; change the settings of one"
ABOUT = """\
  list, plans   every organisation; the plans that there are
  show          lifecycle facts of ID; an operator never sees what belongs to a tenant
  create        ID with its first brand and administrator, whose first API key alone goes to standard output: it is
                shown this once and kept nowhere
  update        name or plan of ID
  suspend       every request of ID is refused, until resume
  settings      of the first organisation, as its administrator: shows them, or changes those that are given

Asks the stack that `hauberk up` runs in the data folder as its operator. With --tls it asks services that run anywhere,
with the operator's certificate in that folder, as `hauberk prepare` makes one. Changes are put on record.
"""
EXAMPLES = """\
examples:
  hauberk org list
  hauberk org create initech --brand initech-chat --admin ivy --plan pro
  hauberk org create acme --brand acme-chat --admin ada --tls prepared/tls --tenancy tenancy:7443 --auth auth:7443
  hauberk org update acme --plan enterprise --etag 3f0c...
  hauberk org suspend acme
  hauberk org settings --zone Europe/Berlin --role viewer --days 3

exit status: 0 done, 2 could not be done (with --etag also when it was changed meanwhile)
"""
WHAT = ("list", "plans", "show", "create", "update", "suspend", "resume", "settings")
_ONE = frozenset({"show", "create", "update", "suspend", "resume"})
_COLUMNS = ("organisation", "display_name", "plan", "status", "created_at")
_DAY = 86_400


def configure(parser: argparse.ArgumentParser) -> None:
    """What to do, with which organisation, where."""
    parser.add_argument("what", choices=WHAT)
    parser.add_argument("organisation", nargs="?", default="", metavar="ID", help="id of the organisation, e.g. acme")
    parser.add_argument("--brand", default="", metavar="B", help="create: id of its first brand")
    parser.add_argument("--admin", default="", metavar="U", help="create: user id of its first administrator")
    parser.add_argument("--plan", default="", metavar="P", help="create, update: its plan (create: free)")
    parser.add_argument("--name", default="", metavar="TEXT", help="create, update, settings: its name for people")
    parser.add_argument("--request-id", default="", metavar="R", help="create: the same one again makes a retry safe")
    parser.add_argument("--etag", default="", metavar="E", help="update, settings: only if it is still this one")
    parser.add_argument("--zone", default="", metavar="Z", help="settings: time zone of new brands")
    parser.add_argument("--role", action="append", default=[], metavar="R", help="settings: roles of invitations")
    parser.add_argument("--days", type=float, default=0, metavar="N", help="settings: life of invitations")
    parser.add_argument(
        "--tls", type=Path, metavar="FOLDER", help="the operator's files, for services that run anywhere"
    )
    parser.add_argument("--tenancy", default="127.0.0.1:7463", metavar="ADDRESS", help="default: %(default)s")
    parser.add_argument("--auth", default="127.0.0.1:7453", metavar="ADDRESS", help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print JSON instead")
    add_data(parser)


def run(args: argparse.Namespace) -> int:
    """Does one of them."""
    if args.what in _ONE and not args.organisation:
        args.parser.error(f"{args.what} needs the id of an organisation")
    if args.what == "create" and not (args.brand and args.admin):
        args.parser.error("create needs --brand and --admin")
    if args.what == "update" and not (args.name or args.plan):
        args.parser.error("update needs --name or --plan")
    if args.what == "settings":
        return asyncio.run(_settings(args))
    return asyncio.run(_operate(args))


async def _operate(args: argparse.Namespace) -> int:
    from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

    from cli.directory import every, operating, show, show_all

    async with operating(args) as ask:
        if args.what == "list":
            found = await every(ask, "ListOrganisations", pb.ListOrganisationsRequest(), "organisations")
            return show_all(args, "organisations", found, _COLUMNS)
        if args.what == "plans":
            return show_all(args, "plans", await every(ask, "ListPlans", pb.ListPlansRequest(), "plans"), ("plan",))
        if args.what == "create":
            return await _create(args, ask)
        if args.what == "show":
            answer = await ask("GetOrganisation", pb.GetOrganisationRequest(organisation=args.organisation))
        else:
            answer = await ask("UpdateOrganisation", _change(args))
        return show(args, answer.organisation)


def _change(args: argparse.Namespace) -> Any:
    from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

    status = {"suspend": pb.ORGANISATION_STATUS_SUSPENDED, "resume": pb.ORGANISATION_STATUS_ACTIVE}.get(args.what)
    request = pb.UpdateOrganisationRequest(organisation=args.organisation, etag=args.etag)
    if status is not None:
        request.status = status
        return request
    request.display_name, request.plan = args.name, args.plan
    return request


async def _create(args: argparse.Namespace, ask: Any) -> int:
    from hauberk.auth.v1 import auth_service_pb2 as auth
    from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

    wanted = pb.CreateOrganisationRequest(
        organisation=args.organisation,
        display_name=args.name or args.organisation,
        plan=args.plan or "free",
        first_brand=args.brand,
        first_admin=args.admin,
        request_id=args.request_id,
    )
    await ask("CreateOrganisation", wanted)
    first = auth.BootstrapApiKeyRequest(organisation=args.organisation, subject=args.admin, brand=args.brand)
    key = (await ask("BootstrapApiKey", first)).api_key
    if args.json:
        from cli.terminal import print_json

        print_json({"organisation": args.organisation, "api_key": key})
        return 0
    err().print(f"{args.organisation} is created; the key of {args.admin} follows, and is shown this once")
    sys.stdout.write(f"{key}\n")
    return 0


async def _settings(args: argparse.Namespace) -> int:
    from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

    from cli.directory import administering, show

    request = pb.UpdateSettingsRequest(
        display_name=args.name, default_zone=args.zone, invitation_roles=args.role, etag=args.etag
    )
    if args.days:
        request.invitation_ttl.FromSeconds(round(args.days * _DAY))
    async with administering(args) as ask:
        if args.name or args.zone or args.role or args.days:
            return show(args, (await ask("UpdateSettings", request)).settings)
        return show(args, (await ask("GetSettings", pb.GetSettingsRequest())).settings)
