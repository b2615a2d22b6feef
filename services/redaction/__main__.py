"""`python -m services.redaction`: the redaction service as a process of its own."""

import sys

from services.kit.run import main
from services.redaction.bootstrap import build
from services.redaction.settings import RedactionSettings

if __name__ == "__main__":
    sys.exit(main(RedactionSettings, build))
