"""The embedded stack: real PostgreSQL and Redis, every service and the gateway in one process."""

import services.kit  # noqa: F401 - before anything loads gRPC: it sets the floor of TLS
