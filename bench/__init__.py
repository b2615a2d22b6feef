"""Benchmarks and evaluations: python -m bench NAME --json."""

import services.kit  # noqa: F401 - before anything loads gRPC: it sets the floor of TLS
