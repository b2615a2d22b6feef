"""`hauberk audit`: a trail, whether somebody altered it, what may stand in it, and who is to be forgotten."""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cli.arguments import add_data
from cli.terminal import err, out, print_json

HELP = "read an audit trail, verify that nobody altered it, erase a person from it"
ABOUT = """\
  verify     walks the hash chain from its beginning, with every checkpoint and anchor, and says whether it holds;
             with --file an export, without any service
  query      prints events by time, the oldest first
  export     writes the chain as JSON Lines: the hashed bytes and the signed checkpoints; or as OCSF for a collector
  erase      destroys the key of a user's personal fields: the chain still holds, who it was cannot be read any more
  keys       prints the public keys of checkpoints: keep them where whoever verifies trusts them
  catalogue  prints every event there is, with its class and its fields

Asks the stack that `hauberk up` runs in the data folder, with the key of the organisation's first administrator, or
with --platform as the operator. Reading is itself put on record. In an export personal fields stay sealed; OCSF shows
them.
"""
EXAMPLES = """\
examples:
  hauberk audit verify
  hauberk audit query --from 2026-01-01T00:00:00Z --actor ada --outcome deny --limit 20
  hauberk audit export --out trail.jsonl
  hauberk audit keys > keys.json
  hauberk audit verify --file trail.jsonl --keys keys.json --anchors .hauberk/anchors
  hauberk audit erase --user ada
  hauberk audit verify --platform --json

exit status: 0 intact (or done), 2 could not be done, 3 altered, 4 gap, 5 truncated, 6 signature, 7 anchor
"""
STATUSES = {"": 0, "altered": 3, "gap": 4, "truncated": 5, "signature": 6, "anchor": 7}
_OUTCOMES = ("allow", "deny", "challenge", "throttle")


def configure(parser: argparse.ArgumentParser) -> None:
    """What to do, for whom, and when."""
    parser.add_argument("what", choices=("verify", "query", "export", "erase", "keys", "catalogue"))
    parser.add_argument("--organisation", metavar="O", help="a seeded organisation (default: the first one)")
    parser.add_argument("--platform", action="store_true", help="the platform's own trail, as the operator")
    parser.add_argument("--from", dest="begin", type=moment, metavar="TIME", help="events from then on (ISO 8601)")
    parser.add_argument("--to", dest="end", type=moment, metavar="TIME", help="events before then (default: now)")
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="query: at most so many (default: 50)")
    parser.add_argument("--actor", default="", metavar="WHO", help="query: only what this user or workload did")
    parser.add_argument("--outcome", choices=_OUTCOMES, help="query: only events of this outcome")
    parser.add_argument("--trace", default="", metavar="ID", help="query: only events of this trace")
    parser.add_argument("--code", default="", metavar="CODE", help="query: only events of this code")
    parser.add_argument("--format", choices=("jsonl", "ocsf"), default="jsonl", help="export: form (default: jsonl)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="export: write there instead of standard output")
    parser.add_argument("--file", type=Path, metavar="FILE", help="verify: this export instead of the service's chain")
    parser.add_argument("--keys", type=Path, metavar="FILE", help="verify --file: public keys that are trusted")
    parser.add_argument("--anchors", type=Path, metavar="DIR", help="verify --file: folder that checkpoints went to")
    parser.add_argument("--user", default="", metavar="U", help="erase: whose personal fields")
    parser.add_argument("--json", action="store_true", help="print JSON instead")
    add_data(parser)


def moment(text: str) -> datetime:
    """A moment; without an offset it is UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not a time like 2026-01-31T12:00:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def run(args: argparse.Namespace) -> int:
    """Does what is asked."""
    if args.what == "catalogue":
        return _catalogue(args)
    does = {"verify": _verify, "query": _query, "export": _export, "erase": _erase, "keys": _keys}
    return asyncio.run(does[args.what](args))


async def _verify(args: argparse.Namespace) -> int:
    if args.file is not None:
        from cli.offline import verify

        found = await asyncio.to_thread(verify, args.file, args.keys, args.anchors)
        if not args.keys and not args.json:
            err().print("the keys are those of the export itself: give --keys to trust none but yours")
    else:
        found = await _asked(args)
    status = STATUSES.get(found["problem"], 3) or (0 if found["intact"] else 3)
    if args.json:
        print_json(found)
    elif found["intact"]:
        whose = found["organisation"]
        out().print(f"[green]intact[/]: {found['verified']} events of {whose}, head {found['head'] or '-'}")
    else:
        where = f"at event {found['first_bad_sequence']} of {found['organisation']}"
        out().print(f"[red]{found['problem']}[/] {where}; {found['verified']} events before it hold")
    return status


async def _asked(args: argparse.Namespace) -> dict[str, Any]:
    from cli.trail import reading

    async with reading(args) as trail:
        answer = await trail.verify()
    return {
        "intact": answer.intact,
        "verified": answer.verified,
        "problem": answer.problem,
        "first_bad_sequence": answer.first_bad_sequence,
        "head": answer.head,
        "organisation": trail.organisation,
    }


async def _query(args: argparse.Namespace) -> int:
    from cli.trail import as_dict, reading, table

    wanted = {"actor": args.actor, "trace_id": args.trace, "code": args.code}
    if args.outcome:
        wanted["outcome"] = f"OUTCOME_{args.outcome.upper()}"
    async with reading(args) as trail:
        events = [event async for event in trail.query(args.begin, args.end, args.limit, wanted)]
    if args.json:
        print_json({"events": [as_dict(event) for event in events]})
    else:
        out().print(table(events))
    return 0


async def _export(args: argparse.Namespace) -> int:
    from cli.errors import CliError
    from cli.trail import reading

    async with reading(args) as trail:
        chunks = [chunk async for chunk in trail.export(args.begin, args.end, args.format)]
    data = b"".join(chunks)
    if args.out is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return 0
    try:
        args.out.write_bytes(data)
    except OSError as error:
        raise CliError(f"{args.out} cannot be written ({type(error).__name__})") from None
    count = data.count(b"\n") if args.format == "ocsf" else data.count(b'{"sequence":')
    if args.json:
        print_json({"events": count, "file": str(args.out)})
    else:
        err().print(f"{count} events of {trail.organisation} written to {args.out}")
    return 0


async def _erase(args: argparse.Namespace) -> int:
    from cli.errors import CliError
    from cli.trail import reading

    if not args.user or args.platform:
        raise CliError("erase: name whom, with --user, in an organisation")
    async with reading(args) as trail:
        keys = await trail.erase(args.user)
    if args.json:
        print_json({"keys": keys, "organisation": trail.organisation})
    else:
        what = "was erased from" if keys else "does not stand in"
        out().print(f"the user {what} the trail of {trail.organisation}")
    return 0


async def _keys(args: argparse.Namespace) -> int:
    from cli.trail import reading

    async with reading(args) as trail:
        sys.stdout.write(await trail.keys() + "\n")
    return 0


def _catalogue(args: argparse.Namespace) -> int:
    from rich.table import Table

    from services.audit.catalogue import catalogue
    from services.audit.policy.catalogue import PERSONAL

    rows = [
        {
            "code": each.code,
            "class": sorted(each.classes),
            "facts": sorted(each.facts),
            "personal": [*PERSONAL, *(f"facts.{name}" for name in sorted(each.people))],
            "ocsf_class": each.ocsf,
        }
        for each in catalogue().values()
    ]
    if args.json:
        print_json({"events": rows})
        return 0
    table = Table("code", "class", "OCSF", "facts (* names a person)", box=None, pad_edge=False)
    for each in catalogue().values():
        facts = ", ".join(f"{name}*" if name in each.people else name for name in sorted(each.facts))
        table.add_row(each.code, " or ".join(sorted(each.classes)), str(each.ocsf), facts)
    out().print(table)
    return 0
