"""`hauberk member list|show|put|suspend|resume|remove|invite|invitations|uninvite|accept`: who belongs to it."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any

from cli.arguments import add_data, read_text
from cli.errors import CliError
from cli.terminal import err, out, print_json

HELP = "list, add, suspend and remove members; invite somebody"
ABOUT = """\
  list, show    every member; one with their etag
  put           adds USER, or sets their roles and brands (no --brand: all)
  suspend       USER is refused like a stranger until resume; nothing of theirs is revoked
  remove        USER is out, and everything issued to them is revoked
  invite        an invitation, for USER alone or for whoever holds its secret. The secret alone goes to standard output;
                it is shown this once. It is void when whoever invited is removed, suspended or may do less
  invitations   every invitation with what has become of it; never a secret
  uninvite      takes the invitation with this id back
  accept        makes USER a member by the secret on standard input, as a backend does for a user it has signed in

Asks the stack that `hauberk up` runs in the data folder, with the key of its first administrator. Changes are put on
record.
"""
EXAMPLES = """\
examples:
  hauberk member put bob --role member --brand acme-chat
  hauberk member suspend bob
  hauberk member invite --role viewer --days 3 > secret
  hauberk member accept zoe < secret
  hauberk member invitations --json

exit status: 0 done, 1 the invitation is not accepted, 2 could not be done (with --etag also when it was changed
meanwhile)
"""
WHAT = ("list", "show", "put", "suspend", "resume", "remove", "invite", "invitations", "uninvite", "accept")
_ANYBODY = frozenset({"list", "invite", "invitations"})
_MEMBERS = ("user", "display_name", "roles", "brands", "suspended", "created_at")
_INVITATIONS = ("invitation", "user", "roles", "brands", "state", "invited_by", "expires_at", "accepted_by")
_DAY = 86_400


def configure(parser: argparse.ArgumentParser) -> None:
    """What to do, with whom."""
    parser.add_argument("what", choices=WHAT)
    parser.add_argument("user", nargs="?", default="", metavar="USER", help="user id; uninvite: id of the invitation")
    parser.add_argument("--role", action="append", default=[], metavar="R", help="put, invite: may be repeated")
    parser.add_argument("--brand", action="append", default=[], metavar="B", help="put, invite: may be repeated")
    parser.add_argument("--name", default="", metavar="TEXT", help="put, invite: their name for people")
    parser.add_argument("--days", type=float, default=0, metavar="N", help="invite: life (default: by the settings)")
    parser.add_argument("--request-id", default="", metavar="R", help="invite: the same one again makes a retry safe")
    parser.add_argument("--etag", default="", metavar="E", help="changes: only if it is still this one")
    parser.add_argument("--json", action="store_true", help="print JSON instead")
    add_data(parser)


def run(args: argparse.Namespace) -> int:
    """Does one of them."""
    if args.what not in _ANYBODY and not args.user:
        args.parser.error(f"{args.what} needs {'an id' if args.what == 'uninvite' else 'a user id'}")
    if args.what == "put" and not args.role:
        args.parser.error("put needs at least one --role")
    return asyncio.run(_do(args))


async def _do(args: argparse.Namespace) -> int:
    from cli.directory import administering

    work = {"invite": _invite, "invitations": _lists, "list": _lists, "accept": _accept}
    work |= {"remove": _take_away, "uninvite": _take_away}
    async with administering(args) as ask:
        return await work.get(args.what, _one)(args, ask)


async def _lists(args: argparse.Namespace, ask: Any) -> int:
    from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

    from cli.directory import every, show_all

    if args.what == "list":
        return show_all(args, "members", await every(ask, "ListMembers", pb.ListMembersRequest(), "members"), _MEMBERS)
    found = await every(ask, "ListInvitations", pb.ListInvitationsRequest(), "invitations")
    return show_all(args, "invitations", found, _INVITATIONS)


async def _one(args: argparse.Namespace, ask: Any) -> int:
    from google.protobuf.field_mask_pb2 import FieldMask
    from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

    from cli.directory import show

    if args.what == "show":
        return show(args, (await ask("GetMember", pb.GetMemberRequest(user=args.user))).member)
    if args.what == "put":
        wanted = pb.Member(user=args.user, roles=args.role, brands=args.brand, display_name=args.name, etag=args.etag)
        return show(args, (await ask("PutMember", pb.PutMemberRequest(member=wanted))).member)
    change = pb.UpdateMemberRequest(
        user=args.user,
        suspended=args.what == "suspend",
        update_mask=FieldMask(paths=["suspended"]),
        etag=args.etag,
    )
    return show(args, (await ask("UpdateMember", change)).member)


async def _take_away(args: argparse.Namespace, ask: Any) -> int:
    from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

    from cli.directory import done

    if args.what == "remove":
        gone = await ask("RemoveMember", pb.RemoveMemberRequest(user=args.user, etag=args.etag))
        return done(args, "removed", f"member {args.user}", existed=gone.existed)
    gone = await ask("DeleteInvitation", pb.DeleteInvitationRequest(invitation=args.user, etag=args.etag))
    return done(args, "taken back", f"invitation {args.user}", existed=gone.existed)


async def _invite(args: argparse.Namespace, ask: Any) -> int:
    from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

    from cli.key_tables import as_dict

    request = pb.CreateInvitationRequest(
        user=args.user, roles=args.role, brands=args.brand, display_name=args.name, request_id=args.request_id
    )
    if args.days:
        request.ttl.FromSeconds(round(args.days * _DAY))
    answer = await ask("CreateInvitation", request)
    if args.json:
        print_json({"invitation": as_dict(answer.invitation), "secret": answer.secret})
        return 0
    end = answer.invitation.expires_at.ToDatetime().strftime("%Y-%m-%d %H:%M")
    err().print(f"{answer.invitation.invitation}, until {end} UTC; its secret follows, and is shown this once")
    sys.stdout.write(f"{answer.secret}\n")
    return 0


async def _accept(args: argparse.Namespace, ask: Any) -> int:
    from hauberk.common.v1 import decision_pb2 as common
    from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

    from cli.key_tables import as_dict

    secret = read_text("-").strip()
    if not secret:
        raise CliError("no secret on standard input")
    answer = await ask("AcceptInvitation", pb.AcceptInvitationRequest(secret=secret, user=args.user))
    good = answer.outcome == common.OUTCOME_ALLOW
    if args.json:
        print_json(as_dict(answer))
    elif good:
        out().print(f"{args.user} is a member of {answer.organisation} now", markup=False)
    else:
        why = "this user is a member already" if answer.already_member else "this invitation is not accepted"
        err().print(why)
    return 0 if good else 1
