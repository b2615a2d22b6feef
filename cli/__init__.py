"""The command line `hauberk`."""

import services.kit  # noqa: F401 - before anything loads gRPC: it sets the floor of TLS
