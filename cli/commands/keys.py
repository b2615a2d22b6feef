"""`hauberk keys list|rotate|retire`: versions of signing keys, pepper and key-encryption keys."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cli.arguments import add_data
from cli.commands.prepare import URL_VARIABLE
from cli.errors import CliError
from cli.terminal import out, print_json

if TYPE_CHECKING:
    from cli.keyring import KeyPlace
    from services.kit.rotation import Version

HELP = "list, rotate and retire keys, while everything runs"
ABOUT = f"""\
  list     every key with its versions: which is active, which waits for its moment, which is kept for what it made
  rotate   introduces a new version. Running processes accept it within seconds, and begin to use it all at the same
           moment, after --settle seconds. Old versions go on verifying and decrypting
  retire   withdraws versions that nothing needs any more, and says what stays and why. --force withdraws a version
           that leaked: what it signed or sealed is refused within seconds

Works on the data folder of `hauberk up` (running or not), or on a folder of key files with --keys: key files in it, or
in a folder per service as `hauberk prepare` makes them. The database checks proofs made with org-mac, so that key needs
--database-admin-url (or {URL_VARIABLE}) with --keys. Bring new files to every host before their moment.
"""
EXAMPLES = """\
examples:
  hauberk keys list
  hauberk keys rotate --all --dry-run
  hauberk keys rotate txn-signing
  hauberk keys rotate --all --keys prepared/keys --database-admin-url postgresql://postgres@db/hauberk
  hauberk keys retire --all
  hauberk keys rotate txn-signing --settle 12 && sleep 12 && hauberk keys retire txn-signing --kid 0001 --force

exit status: 0 done, 1 a version was not retired because something may need it, 2 could not be done
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What to do, with which key, and where."""
    parser.add_argument("what", choices=("list", "rotate", "retire"))
    parser.add_argument("name", nargs="?", metavar="NAME", help="one key")
    parser.add_argument("--all", action="store_true", help="every key")
    parser.add_argument(
        "--settle", type=float, default=600.0, metavar="S", help="rotate: seconds until it is used (default: 600)"
    )
    parser.add_argument("--kid", metavar="VERSION", help="retire: this version")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    parser.add_argument("--force", action="store_true", help="retire what is still needed; settle shorter than 12 s")
    parser.add_argument("--erase", action="store_true", help="retire: erase the file instead of setting it aside")
    parser.add_argument("--keys", type=Path, metavar="DIR", help="a folder of key files instead of a data folder")
    parser.add_argument(
        "--database-admin-url", metavar="URL", help=f"PostgreSQL administrator; better by {URL_VARIABLE}"
    )
    parser.add_argument("--json", action="store_true", help="list: print JSON instead")
    add_data(parser)


def run(args: argparse.Namespace) -> int:
    """Does one of the three."""
    from cli.keyring import key_place

    database = args.database_admin_url or os.environ.get(URL_VARIABLE, "")
    with key_place(args.keys, args.data, database) as place:
        return {"list": _list, "rotate": _rotate, "retire": _retire}[args.what](args, place)


def _names(args: argparse.Namespace, place: KeyPlace) -> list[str]:
    known = place.folder.names()
    if args.what != "list" and bool(args.name) == args.all:
        raise CliError(f"say one NAME or --all; keys here: {', '.join(known)}")
    if args.name and args.name not in known:
        raise CliError(f"no key {args.name} here; there are {', '.join(known)}")
    return [args.name] if args.name else known


def _list(args: argparse.Namespace, place: KeyPlace) -> int:
    from rich.table import Table

    found = [version for name in _names(args, place) for version in place.folder.versions(name)]
    problems = place.problems()
    if args.json:
        rows = [
            {"name": v.name, "kid": v.kid, "state": v.state, "from": v.begins, "until": v.needed_until} for v in found
        ]
        print_json({"versions": rows, "problems": problems})
        return 0
    table = Table(box=None, pad_edge=False)
    for column in ("key", "version", "state", "since", "note"):
        table.add_column(column, no_wrap=column != "note")
    for version in found:
        table.add_row(version.name, version.kid, version.state, _moment(version.begins), _note(version))
    out().print(table)
    for problem in problems:
        out().print(f"[red]problem[/] {problem}", soft_wrap=True)
    return 0


def _note(version: Version) -> str:
    left = version.needed_until - time.time()
    if version.state == "waits":
        return f"used in {max(0, round(version.begins - time.time()))} s"
    if version.state == "active":
        return ""
    if not version.needed_until:
        return "needed by what is stored under it: retire counts"
    return f"may be needed for {round(left)} s" if left > 0 else "can be retired"


def _rotate(args: argparse.Namespace, place: KeyPlace) -> int:
    from services.kit.rotation import LEAST_SETTLE

    if args.settle < 0 or (args.settle < LEAST_SETTLE and not args.force):
        raise CliError(
            f"--settle {args.settle:g}: processes need {LEAST_SETTLE:g} s to have a new version (or --force)"
        )
    names = _names(args, place)
    for name in names:
        place.ready_for(name)
    for name in names:
        waiting = [version.kid for version in place.folder.versions(name) if version.state == "waits"]
        if waiting and not args.force:
            out().print(f"[bright_black]kept[/]  {name} {waiting[0]}: it waits for its moment already", soft_wrap=True)
        elif args.dry_run:
            kid = place.folder.plan(name, args.settle)
            out().print(f"[yellow]would make[/]  {name} {kid}, used from {_moment(time.time() + args.settle)} on")
        else:
            kid, _ = place.introduce(name, args.settle)
            out().print(f"[green]made[/]  {name} {kid}, used from {_moment(time.time() + args.settle)} on")
    return 0


def _retire(args: argparse.Namespace, place: KeyPlace) -> int:
    from rich.markup import escape

    stayed = False
    for version in list(_candidates(args, place)):
        label = f"{version.name} {version.kid}"
        against = place.objections(version)
        last = len(place.folder.versions(version.name)) == 1
        if last or (against and not args.force):
            stayed = True
            why = "; ".join(against) if not last else "it is the only version: rotate first"
            out().print(f"[red]stays[/]  {label}: {escape(why)}", soft_wrap=True)
            continue
        if not args.dry_run:
            place.withdraw(version, erase=args.erase)
        word = "[yellow]would retire[/]" if args.dry_run else "[green]retired[/]"
        more = f", although {escape('; '.join(against))}" if against else ""
        out().print(f"{word}  {label}{more}", soft_wrap=True)
    return 1 if stayed else 0


def _candidates(args: argparse.Namespace, place: KeyPlace) -> Iterator[Version]:
    """Without --kid those that are past their time of use, whether they are still needed or not."""
    for name in _names(args, place):
        versions: Sequence[Version] = place.folder.versions(name)
        if args.kid and args.kid not in [version.kid for version in versions]:
            raise CliError(f"{name} has no version {args.kid}; there are {', '.join(v.kid for v in versions)}")
        yield from (v for v in versions if (v.kid == args.kid if args.kid else v.state == "kept"))


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
