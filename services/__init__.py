"""Hauberk's services: each stands alone, defends itself, and never imports another."""

import services.kit  # noqa: F401 - before anything loads gRPC: it sets the floor of TLS
