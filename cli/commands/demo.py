"""`hauberk demo`: named scenarios over real gRPC, each with what was expected."""

from __future__ import annotations

import argparse
import asyncio

HELP = "see requests pass through every layer, or be refused by one"
ABOUT = """\
Starts a real PostgreSQL, a real Redis, every service and the gateway in a temporary folder, and sends requests over
gRPC with mutual TLS, as a backend would:

  on the way in    an ordinary question with personal data, another organisation's brand, a forged and an expired key,
                   the 16th message of a minute, an overspent budget, a malformed request, a service called behind
                   the gateway's back, a prompt injection
  on the way back  an answer restored for its owner alone, a stream cut through placeholders, an answer that would
                   carry data away
  beside           context handed to a second brand, tool calls that a model wrote, the audit trail altered by hand

Prints for each what every layer decided, in what time, and whether that is what should have happened; then the trace
of one request. Everything is removed in the end.
"""
EXAMPLES = """\
example:
  hauberk demo

exit status: 0 all as expected, 1 some outcome differed, 2 the stack did not start
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """No arguments."""


def run(args: argparse.Namespace) -> int:  # noqa: ARG001
    """Runs every scenario."""
    from cli.demo.run import run as run_demo

    return asyncio.run(run_demo())
