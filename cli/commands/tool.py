"""`hauberk tool ADMISSION NAME ARGUMENTS_JSON`: a tool call that a model wrote."""

from __future__ import annotations

import argparse
import asyncio

from cli.arguments import add_data, read_text
from cli.terminal import out, print_json

HELP = "ask whether a tool call that a model wrote may be executed"
ABOUT = """\
Takes the admission that `hauberk admit` printed, the name of a registered tool, and the arguments as the model wrote
them. The user's own values are put back first; then the call is checked as if the user had made it: the tool, its
schema, the permission, every resource that it names, whose words its arguments are, and what was called before. Prints
the very bytes that may be executed, or the words from which the model can repair its call.
"""
EXAMPLES = """\
examples:
  hauberk tool adm_... brand.report '{"brand": "acme-chat", "days": 7}'
  hauberk tool adm_... brand.report '{"brand": "globex-chat", "days": 7}' --json
  hauberk tool adm_... orders.cancel '{"order": "o-7"}' --request-approval

exit status: 0 allowed, 1 refused, 2 could not be decided
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The admission and the call."""
    parser.add_argument("admission", metavar="ADMISSION", help="as `hauberk admit` printed it (adm_...)")
    parser.add_argument("name", metavar="NAME", help="name of the tool")
    parser.add_argument("arguments", metavar="ARGUMENTS_JSON", help="a JSON object; - reads it from standard input")
    parser.add_argument("--request-approval", action="store_true", help="when a person must approve it, ask for that")
    parser.add_argument("--approval", default="", metavar="ID", help="approval of exactly this call (apr_...)")
    parser.add_argument("--definition-hash", default="", metavar="HASH", help="definition that the model was shown")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    add_data(parser)


def run(args: argparse.Namespace) -> int:
    """Asks once."""
    return asyncio.run(_ask(args, read_text(args.arguments)))


async def _ask(args: argparse.Namespace, arguments: str) -> int:
    from grpc import aio
    from hauberk.common.v1 import decision_pb2 as common

    from cli.asking import Gateway, reach
    from cli.decision import as_dict
    from cli.failure import Failure
    from cli.show import tool_call

    async with reach(args.data) as stack:
        try:
            answer = await Gateway(stack.channel("gateway")).tool(
                args.admission,
                args.name,
                arguments,
                request_approval=args.request_approval,
                approval=args.approval,
                definition_hash=args.definition_hash,
            )
        except aio.AioRpcError as error:
            if args.json:
                print_json({"error": Failure.of(error).as_dict()})
            raise
    if args.json:
        print_json(as_dict(answer))
    else:
        out().print(tool_call(answer))
    return 0 if answer.outcome == common.OUTCOME_ALLOW else 1
