"""`python -m services.audit`: the audit service as a process of its own."""

import sys

from services.audit.bootstrap import build
from services.audit.settings import AuditSettings
from services.kit.run import main

if __name__ == "__main__":
    sys.exit(main(AuditSettings, build))
