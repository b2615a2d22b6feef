"""`hauberk brand list|show|put|delete`: the brands of an organisation."""

from __future__ import annotations

import argparse
import asyncio

from cli.arguments import add_data

HELP = "list, make, change and delete the brands of an organisation"
ABOUT = """\
  list     every brand
  show     one brand with its etag
  put      makes ID, or changes the name or zone that is given
  delete   deletes ID, unless it is the last one or something is still of it; what was issued for it is revoked

Asks the stack that `hauberk up` runs in the data folder, with the key of its first administrator. Changes are put on
record.
"""
EXAMPLES = """\
examples:
  hauberk brand list
  hauberk brand put acme-shop --name "Acme Shop" --zone Europe/Berlin
  hauberk brand show acme-shop --json
  hauberk brand delete acme-shop --etag 3f0c...

exit status: 0 done, 2 could not be done (with --etag also when it was changed meanwhile)
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What to do, with which brand."""
    parser.add_argument("what", choices=("list", "show", "put", "delete"))
    parser.add_argument("brand", nargs="?", default="", metavar="ID", help="id of the brand")
    parser.add_argument("--name", default="", metavar="TEXT", help="put: its name for people")
    parser.add_argument("--zone", default="", metavar="Z", help="put: its time zone, e.g. Europe/Berlin")
    parser.add_argument("--etag", default="", metavar="E", help="put, delete: only if it is still this one")
    parser.add_argument("--json", action="store_true", help="print JSON instead")
    add_data(parser)


def run(args: argparse.Namespace) -> int:
    """Does one of them."""
    if args.what != "list" and not args.brand:
        args.parser.error(f"{args.what} needs the id of a brand")
    return asyncio.run(_do(args))


async def _do(args: argparse.Namespace) -> int:
    from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

    from cli.directory import administering, done, every, show, show_all

    async with administering(args) as ask:
        if args.what == "list":
            found = await every(ask, "ListBrands", pb.ListBrandsRequest(), "brands")
            return show_all(args, "brands", found, ("brand", "display_name", "zone", "created_at"))
        if args.what == "show":
            return show(args, (await ask("GetBrand", pb.GetBrandRequest(brand=args.brand))).brand)
        if args.what == "delete":
            gone = await ask("DeleteBrand", pb.DeleteBrandRequest(brand=args.brand, etag=args.etag))
            return done(args, "deleted", f"brand {args.brand}", existed=gone.existed)
        known = {one.brand for one in await every(ask, "ListBrands", pb.ListBrandsRequest(), "brands")}
        if args.brand in known:  # only what is given: a put would empty the name
            change = pb.UpdateBrandRequest(brand=args.brand, display_name=args.name, zone=args.zone, etag=args.etag)
            return show(args, (await ask("UpdateBrand", change)).brand)
        made = pb.Brand(brand=args.brand, display_name=args.name or args.brand, zone=args.zone, etag=args.etag)
        return show(args, (await ask("PutBrand", pb.PutBrandRequest(brand=made))).brand)
