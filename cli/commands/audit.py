"""`hauberk audit verify|query|export`: the trail of an organisation, and whether somebody altered it."""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from cli.arguments import add_data
from cli.terminal import out, print_json

HELP = "read an organisation's audit trail, and verify that nobody altered it"
ABOUT = """\
  verify   walks the hash chain of the organisation from its beginning, and says whether it holds
  query    prints events by time, the oldest first
  export   writes the chain as JSON Lines: each line has the hashed bytes, the hash and the one before

Asks the stack that `hauberk up` runs in the data folder, with the key of the organisation's first administrator.
Reading is itself put on record.
"""
EXAMPLES = """\
examples:
  hauberk audit verify
  hauberk audit query --from 2026-01-01T00:00:00Z --limit 20
  hauberk audit export --out trail.jsonl
  hauberk audit verify --organisation globex --json

exit status: 0 intact (or done), 2 could not be done, 3 altered, 4 gap, 5 truncated
"""
STATUSES = {"": 0, "altered": 3, "gap": 4, "truncated": 5}


def configure(parser: argparse.ArgumentParser) -> None:
    """What to do, for whom, and when."""
    parser.add_argument("what", choices=("verify", "query", "export"))
    parser.add_argument("--organisation", metavar="O", help="a seeded organisation (default: the first one)")
    parser.add_argument("--from", dest="begin", type=moment, metavar="TIME", help="events from then on (ISO 8601)")
    parser.add_argument("--to", dest="end", type=moment, metavar="TIME", help="events before then (default: now)")
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="query: at most so many (default: 50)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="export: write there instead of standard output")
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
    """Does one of the three."""
    return asyncio.run({"verify": _verify, "query": _query, "export": _export}[args.what](args))


async def _verify(args: argparse.Namespace) -> int:
    from cli.trail import reading

    async with reading(args) as trail:
        answer = await trail.verify()
    status = STATUSES.get(answer.problem, 3)
    if args.json:
        print_json(
            {
                "intact": answer.intact,
                "verified": answer.verified,
                "problem": answer.problem,
                "first_bad_sequence": answer.first_bad_sequence,
                "head": answer.head,
                "organisation": trail.organisation,
            }
        )
    elif answer.intact:
        out().print(f"[green]intact[/]: {answer.verified} events of {trail.organisation}, head {answer.head or '-'}")
    else:
        where = f"at event {answer.first_bad_sequence} of {trail.organisation}"
        out().print(f"[red]{answer.problem}[/] {where}; {answer.verified} events before it hold")
    return status or (0 if answer.intact else 3)


async def _query(args: argparse.Namespace) -> int:
    from cli.trail import as_dict, reading, table

    async with reading(args) as trail:
        events = [event async for event in trail.query(args.begin, args.end, args.limit)]
    if args.json:
        print_json({"events": [as_dict(event) for event in events]})
    else:
        out().print(table(events))
    return 0


async def _export(args: argparse.Namespace) -> int:
    from cli.errors import CliError
    from cli.terminal import err
    from cli.trail import reading

    async with reading(args) as trail:
        chunks = [chunk async for chunk in trail.export(args.begin, args.end)]
    data = b"".join(chunks)
    if args.out is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return 0
    try:
        args.out.write_bytes(data)
    except OSError as error:
        raise CliError(f"{args.out} cannot be written ({type(error).__name__})") from None
    count = data.count(b"\n")
    if args.json:
        print_json({"events": count, "file": str(args.out)})
    else:
        err().print(f"{count} events of {trail.organisation} written to {args.out}")
    return 0
