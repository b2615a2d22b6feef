"""The gateway: composes the services into one chain of stages; holds no key and no business rule."""

import services.kit  # noqa: F401 - before anything loads gRPC: it sets the floor of TLS
