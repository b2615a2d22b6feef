"""`hauberk admit TEXT`: one request through the whole chain."""

from __future__ import annotations

import argparse
import asyncio

from cli.arguments import add_data, read_text
from cli.terminal import out, print_json

HELP = "ask whether one text may reach the model, and with which words"
ABOUT = """\
Sends TEXT as a user's message through every layer and prints what each decided, in what time, the text as the model
would see it, the admission, and what is left of limits and budgets.

Asks the stack that `hauberk up` runs in the data folder. When none runs there, one is started for this call alone.
"""
EXAMPLES = """\
examples:
  hauberk admit "My SSN is 123-45-6789"
  hauberk admit --user nora "Where is my order?"        as a member (added when new) instead of by the API key
  hauberk admit --brand globex-chat "hello"             another organisation's brand: refused
  hauberk admit --json "call me at 212-555-0143" | python -m json.tool

exit status: 0 allowed, 1 refused, 2 could not be decided
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """TEXT and who asks."""
    parser.add_argument("text", metavar="TEXT", help="the user's message; - reads it from standard input")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--user", metavar="U", help="ask as this member of the first organisation, added when new")
    who.add_argument("--key", metavar="K", help="ask with this API key (default: the first one)")
    parser.add_argument("--brand", metavar="B", help="brand to ask for (default: the first one)")
    parser.add_argument("--conversation", default="terminal", metavar="C", help="its id (default: %(default)s)")
    add_data(parser)


def run(args: argparse.Namespace) -> int:
    """Asks once."""
    return asyncio.run(_ask(args, read_text(args.text)))


async def _ask(args: argparse.Namespace, text: str) -> int:
    from grpc import aio
    from hauberk.common.v1 import decision_pb2 as common

    from cli.asking import Gateway, by_jwt, by_key, question, reach
    from cli.decision import as_dict
    from cli.failure import Failure
    from cli.members import Administrator
    from cli.show import decision

    async with reach(args.data) as stack:
        if args.user:
            await Administrator(stack).add([args.user])
            credential = by_jwt(stack.user_jwt(args.user))
        else:
            credential = by_key(args.key or stack.api_key)
        request = question(credential, args.brand or stack.brand, text, conversation=args.conversation)
        try:
            answer = await Gateway(stack.channel("gateway")).admit(request)
        except aio.AioRpcError as error:
            if args.json:
                print_json({"error": Failure.of(error).as_dict()})
            raise
    if args.json:
        print_json(as_dict(answer))
    else:
        out().print(decision(answer))
    return 0 if answer.outcome == common.OUTCOME_ALLOW else 1
