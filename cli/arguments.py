"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cli.errors import CliError

DATA = Path(".hauberk")


def add_data(parser: argparse.ArgumentParser) -> None:
    """`--data DIR`."""
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR", help="data folder (default: %(default)s)")


def port(text: str) -> int:
    """A port, 0 = any free one."""
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port (0 to 65535)")
    return int(text)


def count(text: str) -> int:
    """A number of things, 1 to 10 000."""
    if not text.isdigit() or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 to 10000")
    return int(text)


def read_text(given: str) -> str:
    """The text of an argument; `-` stands for standard input."""
    try:
        text = sys.stdin.read() if given == "-" else given
        text.encode()
    except UnicodeError:
        raise CliError("the text is not valid UTF-8") from None
    return text
