"""`python -m services.guardrail`: the guardrail service as a process of its own."""

import sys

from services.guardrail.bootstrap import build
from services.guardrail.settings import GuardrailSettings
from services.kit.run import main

if __name__ == "__main__":
    sys.exit(main(GuardrailSettings, build))
