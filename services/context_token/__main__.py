"""`python -m services.context_token`: the context-token service as a process of its own."""

import sys

from services.context_token.bootstrap import build
from services.context_token.settings import ContextTokenSettings
from services.kit.run import main

if __name__ == "__main__":
    sys.exit(main(ContextTokenSettings, build))
