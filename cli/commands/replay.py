"""`hauberk replay FILE.jsonl`: many messages, as many users, and what became of them."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from cli.arguments import add_data, count
from cli.terminal import err, out, print_json

HELP = "send a file of messages through the chain, spread over many users"
ABOUT = """\
Reads one JSON object per line, takes its field `text` (see --field), and sends each as a message of one of many users,
who are added as members of the first organisation. What is admitted is answered by a built-in stand-in for a model
(always the same words for the same text, quoting some placeholders), and that answer is passed back, so that the
user's own values are restored (--no-complete leaves this out). Then sums up: outcomes, the layer that decided, personal
data found by type, values restored, and how long each way took.

A line that cannot be read is named on stderr and counted; the rest still runs. Talks to the stack that `hauberk up`
runs in the data folder, or starts one for this call.
"""
EXAMPLES = """\
examples:
  hauberk replay messages.jsonl
  hauberk replay messages.jsonl --users 20 --in-flight 8
  hauberk replay messages.jsonl --field body --json

exit status: 0 every request was decided (refused ones too), 2 some could not be decided, or the file cannot be read
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The file, and how it is spread."""
    parser.add_argument("file", type=Path, metavar="FILE.jsonl", help="one JSON object per line")
    parser.add_argument(
        "--users", type=count, default=100, metavar="N", help="users to spread over (default: %(default)s)"
    )
    parser.add_argument(
        "--in-flight", type=count, default=4, metavar="N", help="requests at once (default: %(default)s)"
    )
    parser.add_argument("--field", default="text", help="field that holds the message (default: %(default)s)")
    parser.add_argument("--model", default="gpt-4o-mini", help="model of the estimate (default: %(default)s)")
    parser.add_argument("--no-complete", action="store_true", help="only ask; pass no answer back")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    add_data(parser)


def run(args: argparse.Namespace) -> int:
    """Replays, then sums up."""
    from cli.replaying import read_lines, replay
    from cli.tally import render

    console = err()
    messages, bad = read_lines(args.file, args.field)
    for number, words in bad:
        console.print(f"{args.file.name}, line {number}: {words}", style="yellow", soft_wrap=True)
    tally = asyncio.run(replay(args, messages, console))
    tally.bad_lines = len(bad)
    if args.json:
        print_json(tally.as_dict())
    else:
        out().print(render(tally))
    if tally.undecided:
        console.print(f"{tally.undecided} could not be decided", style="red")
        return 2
    return 0
