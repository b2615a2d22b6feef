"""Serves the gateway: python -m gateway."""

import sys

from gateway.bootstrap import build
from gateway.settings import GatewaySettings
from services.kit.run import main

if __name__ == "__main__":
    sys.exit(main(GatewaySettings, build))
