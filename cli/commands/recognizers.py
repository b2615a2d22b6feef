"""`hauberk recognizers list|put|delete|try`: what an organisation has replaced beyond what everybody has."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from cli.arguments import add_data
from cli.terminal import out, print_json

HELP = "list, add, remove and try recognizers of the organisation"
ABOUT = """\
  list     the organisation's recognizers
  put      adds one, or replaces the one of that type; --sample shows what it would replace
  delete   takes one away; values that it had replaced are not put back any more
  try      checks and tries one, and keeps nothing

A recognizer finds one type of personal data, by a pattern in the syntax of RE2 (matched in linear time, whatever the
case) and by words near it: a hit counts from the policy's threshold on (0.4), and a word near it adds 0.35. A change is
in force in every process within seconds. Asks the stack that `hauberk up` runs in the data folder, as its first
administrator; put and delete are on record.
"""
EXAMPLES = """\
examples:
  hauberk recognizers try EMPLOYEE_ID '\\bE-[0-9]{6}\\b' --score 0.3 --word employee --sample "employee E-123456"
  hauberk recognizers put EMPLOYEE_ID '\\bE-[0-9]{6}\\b' --score 0.3 --word employee --word "staff number"
  hauberk recognizers list
  hauberk recognizers delete EMPLOYEE_ID --etag v3

exit status: 0 done, 2 could not be done
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What to do, with which recognizer."""
    parser.add_argument("what", choices=("list", "put", "delete", "try"))
    parser.add_argument("entity", nargs="?", default="", metavar="TYPE", help="what it finds, e.g. EMPLOYEE_ID")
    parser.add_argument("pattern", nargs="?", default="", metavar="PATTERN", help="put, try: in the syntax of RE2")
    parser.add_argument("--score", type=float, default=0.5, metavar="S", help="above 0, at most 1 (default: 0.5)")
    parser.add_argument("--word", action="append", default=[], metavar="W", help="a word or phrase that speaks of it")
    parser.add_argument("--sample", action="append", default=[], metavar="TEXT", help="put, try: a text to try it on")
    parser.add_argument("--etag", default="", metavar="E", help="put, delete: only if it is still in this state")
    parser.add_argument("--json", action="store_true", help="print JSON instead")
    add_data(parser)


def run(args: argparse.Namespace) -> int:
    """Does one of the four."""
    if args.what != "list" and not args.entity:
        args.parser.error(f"{args.what} needs the type of a recognizer")
    if args.what in ("put", "try") and not args.pattern:
        args.parser.error(f"{args.what} needs a pattern")
    answer = asyncio.run(_ask(args))
    if args.json:
        from google.protobuf import json_format

        print_json(json_format.MessageToDict(answer, preserving_proto_field_name=True))
    else:
        _show(args, answer)
    return 0


async def _ask(args: argparse.Namespace) -> Any:
    from hauberk.redaction.v1 import redaction_service_pb2 as pb
    from hauberk.redaction.v1.redaction_service_pb2_grpc import RedactionServiceStub

    from cli.asking import TIMEOUT, reach
    from cli.members import Administrator

    recognizer = pb.Recognizer(
        entity=args.entity, pattern=args.pattern, score=args.score, context=args.word, etag=args.etag
    )
    async with reach(args.data) as stack:
        stub, own = RedactionServiceStub(stack.channel("redaction")), await Administrator(stack).metadata()
        if args.what == "list":
            return await stub.ListRecognizers(pb.ListRecognizersRequest(), timeout=TIMEOUT, metadata=own)
        if args.what == "delete":
            request = pb.DeleteRecognizerRequest(entity=args.entity, etag=args.etag)
            return await stub.DeleteRecognizer(request, timeout=TIMEOUT, metadata=own)
        wanted = pb.PutRecognizerRequest(recognizer=recognizer, samples=args.sample, validate_only=args.what == "try")
        return await stub.PutRecognizer(wanted, timeout=TIMEOUT, metadata=own)


def _show(args: argparse.Namespace, answer: Any) -> None:
    if args.what == "list":
        out().print(_table(answer.recognizers) if answer.recognizers else "no recognizer")
    elif args.what == "delete":
        out().print("deleted" if answer.existed else "there was none")
    else:
        out().print("good, nothing kept" if args.what == "try" else f"kept, state {answer.recognizer.etag}")
        for text, found in zip(args.sample, answer.samples, strict=True):
            hits = ", ".join(repr(text[one.start : one.end]) for one in found.findings)
            out().print(f"  {text!r}: {hits or 'nothing'}", markup=False)


def _table(found: Any) -> Any:
    from rich.table import Table
    from rich.text import Text

    rows = Table(box=None, pad_edge=False)
    for title in ("type", "pattern", "score", "words", "state", "changed (UTC)"):
        rows.add_column(title)
    for one in found:
        changed = one.updated_at.ToDatetime().strftime("%Y-%m-%d %H:%M")
        words = ", ".join(one.context) or "-"
        rows.add_row(Text(one.entity), Text(one.pattern), f"{one.score:g}", Text(words), Text(one.etag), changed)
    return rows
