"""`hauberk complete ADMISSION TEXT`: a model's answer on its way back."""

from __future__ import annotations

import argparse
import asyncio
import codecs
import os
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from cli.arguments import add_data, read_text
from cli.terminal import out, print_json

if TYPE_CHECKING:
    from hauberk.gateway.v1 import gateway_service_pb2 as pb

    from cli.asking import Gateway

HELP = "pass a model's answer back: inspected, the user's own values restored"
ABOUT = """\
Takes the admission that `hauberk admit` printed and TEXT as the model's answer to it. The answer is inspected first;
then the placeholders in it become the user's own values again, and the reservation is settled.

The admission is good for a few minutes and for the workload that asked, which is backend/demo here.
With --stream the answer goes in small pieces and is printed as it comes out.
"""
EXAMPLES = """\
examples:
  hauberk complete adm_... "I have noted <US_SSN>."
  hauberk complete adm_... "I have noted <US_SSN>." --json
  some-model | hauberk complete adm_... - --stream

exit status: 0 allowed, 1 refused, 2 could not be decided
"""
PIECE = 12  # characters: small enough to cut through a placeholder
READ = 4096


def configure(parser: argparse.ArgumentParser) -> None:
    """The admission and the answer."""
    parser.add_argument("admission", metavar="ADMISSION", help="as `hauberk admit` printed it (adm_...)")
    parser.add_argument("text", metavar="TEXT", help="the model's answer; - reads it from standard input")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    parser.add_argument("--stream", action="store_true", help="send it in pieces, print what comes back at once")
    add_data(parser)


def run(args: argparse.Namespace) -> int:
    """Asks once."""
    live = args.stream and args.text == "-"
    return asyncio.run(_ask(args, None if live else read_text(args.text)))


async def _ask(args: argparse.Namespace, text: str | None) -> int:
    from grpc import aio
    from hauberk.common.v1 import decision_pb2 as common

    from cli.asking import Gateway, reach
    from cli.decision import as_dict
    from cli.failure import Failure
    from cli.show import completion

    async with reach(args.data) as stack:
        gateway = Gateway(stack.channel("gateway"))
        try:
            if args.stream:
                answer = await _stream(gateway, args, text)
            else:
                answer = await gateway.complete(args.admission, text or "")
        except aio.AioRpcError as error:
            if args.json:
                print_json({"error": Failure.of(error).as_dict()})
            raise
    if args.json:
        print_json(as_dict(answer))
    else:
        out().print(completion(answer, shown=args.stream))
    return 0 if answer.outcome == common.OUTCOME_ALLOW else 1


async def _stream(gateway: Gateway, args: argparse.Namespace, text: str | None) -> pb.CompleteResponse:
    """Prints pieces as they come (not with --json); the decision, with the text that came."""
    from cli.asking import each
    from cli.errors import CliError

    pieces = _standard_input() if text is None else each(text[at : at + PIECE] for at in range(0, len(text), PIECE))
    came: list[str] = []
    result = None
    async for answer in gateway.complete_stream(args.admission, pieces):
        if answer.HasField("result"):
            result = answer.result
            continue
        came.append(answer.chunk)
        if not args.json:
            sys.stdout.write(answer.chunk)
            sys.stdout.flush()
    if result is None:
        raise CliError("the stream ended without a decision")
    if came and not args.json:
        sys.stdout.write("\n")
    result.text = "".join(came)
    return result


async def _standard_input() -> AsyncIterator[str]:
    """Standard input as it comes; bytes that are no text become U+FFFD."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while data := await asyncio.to_thread(os.read, sys.stdin.fileno(), READ):
        if piece := decoder.decode(data):
            yield piece
    if rest := decoder.decode(b"", final=True):
        yield rest
