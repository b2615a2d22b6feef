"""`python -m services.tenancy`: the tenancy service as a process of its own."""

import sys

from services.kit.run import main
from services.tenancy.bootstrap import build
from services.tenancy.settings import TenancySettings

if __name__ == "__main__":
    sys.exit(main(TenancySettings, build))
