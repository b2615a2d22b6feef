"""`hauberk`: reads the command line and runs one command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn

from cli.commands import (
    admit,
    api_keys,
    audit,
    brand,
    certs,
    chain,
    check_config,
    choices,
    complete,
    demo,
    evidence,
    healthcheck,
    incident,
    keys,
    limits,
    member,
    org,
    policy,
    prepare,
    recognizers,
    replay,
    retention,
    revocations,
    rls,
    serve,
    sessions,
    tool,
    tools,
    up,
    version,
)
from cli.errors import CliError

COMMANDS: tuple[ModuleType, ...] = (
    up,
    demo,
    admit,
    complete,
    tool,
    tools,
    replay,
    audit,
    incident,
    api_keys,
    sessions,
    limits,
    revocations,
    policy,
    recognizers,
    choices,
    chain,
    serve,
    prepare,
    retention,
    evidence,
    keys,
    certs,
    org,
    brand,
    member,
    rls,
    check_config,
    healthcheck,
    version,
)

_ABOUT = """\
Hauberk decides, before and after a model is called, who may ask, how much, and with which words.

A first walk:
  hauberk demo                                   see requests pass through every layer, or not
  hauberk up                                     run everything on this machine, in ./.hauberk
  hauberk admit "My SSN is 123-45-6789"          ask (in a second terminal, or on its own)
  hauberk complete ADMISSION "Noted: <US_SSN>"   pass the model's answer back
"""
_EXITS = """\
exit status:
  0    done; for `admit`, `complete`, `tool`: allowed
  1    for `admit`, `complete`, `tool`: refused; for `demo`: an outcome differed; for `check-config`: a wrong key;
       for `rls check`: something is wrong; for `revocations`: a process is behind
       for `retention`: a run was missed, or had problems; for `evidence`: there is a gap
       for `tools import`: a tool was refused
       for `policy`: a case failed, or a policy breaks a rule; for `member accept`: not accepted
  2    could not be done or decided (one line on stderr says why)
  3-5  for `audit verify`: altered, a gap, truncated
  130  interrupted

`hauberk COMMAND --help` explains a command, with an example.
"""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and where to read more."""

    def error(self, message: str) -> NoReturn:
        """One plain line, status 2."""
        sys.stderr.write(f"{self.prog}: {message} (see: {self.prog} --help)\n")
        raise SystemExit(2)


def build_parser() -> Parser:
    """The whole command line."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog="hauberk", description=_ABOUT, epilog=_EXITS, formatter_class=raw, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=version.text())
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    for command in COMMANDS:
        name = command.__name__.rpartition(".")[2].replace("_", "-")
        child = commands.add_parser(
            name,
            help=command.HELP,
            description=command.ABOUT,
            epilog=command.EXAMPLES,
            formatter_class=raw,
            allow_abbrev=False,
            add_help=name != "serve",  # it lists a service's settings itself
        )
        child.set_defaults(run=command.run, parser=child)
        command.configure(child)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; an expected failure is one line on stderr and status 2."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its own log lines name addresses and repeat what we say
    try:
        args = build_parser().parse_args(argv)
        return int(args.run(args))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `hauberk replay ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        line = _plain(error)
        if line is None:
            raise
        sys.stderr.write(f"hauberk: {line}\n")
        return 2


def _plain(error: Exception) -> str | None:
    """The line for a failure that a person can act on; None for a defect of ours."""
    from grpc import aio

    from cli.failure import Failure
    from embedded.errors import EmbeddedError
    from services.kit.errors import KitError
    from services.kit.keys import KeyMissingError
    from services.kit.settings import SettingsError

    if isinstance(error, aio.AioRpcError):
        return Failure.of(error).line()
    if isinstance(error, CliError | EmbeddedError | KitError | KeyMissingError | SettingsError):
        return str(error)
    return None


if __name__ == "__main__":
    sys.exit(main())
