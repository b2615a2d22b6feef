"""`python -m services.auth`."""

from __future__ import annotations

import sys

from services.auth.bootstrap import build
from services.auth.settings import AuthSettings
from services.kit.run import main

if __name__ == "__main__":
    sys.exit(main(AuthSettings, build))
