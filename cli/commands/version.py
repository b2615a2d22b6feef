"""`hauberk version`."""

from __future__ import annotations

import argparse
import platform
import sys
from importlib import metadata

HELP = "print the version"
ABOUT = "Prints the version of Hauberk and of Python."
EXAMPLES = "example:\n  hauberk version"


def configure(parser: argparse.ArgumentParser) -> None:
    """No arguments."""


def text() -> str:
    """`hauberk 0.1.0 (Python 3.11.2)`."""
    try:
        number = metadata.version("hauberk")
    except metadata.PackageNotFoundError:  # run from a source tree that was never installed
        number = "from source"
    return f"hauberk {number} (Python {platform.python_version()})"


def run(args: argparse.Namespace) -> int:  # noqa: ARG001
    """Prints it."""
    sys.stdout.write(text() + "\n")
    return 0
