"""`hauberk healthcheck ADDRESS`: asks a process whether it serves, for health checks of containers."""

from __future__ import annotations

import argparse
import asyncio

from cli.terminal import out

HELP = "ask a process on this machine whether it serves"
ABOUT = """\
Asks the standard gRPC health service on the ops port of a process. The ops port is on loopback, so this runs beside
the process, e.g. inside its container.
"""
EXAMPLES = """\
examples:
  hauberk healthcheck 127.0.0.1:7444
  hauberk healthcheck 127.0.0.1:7444 --service hauberk.auth.v1.AuthService

exit status: 0 serving, 1 not serving, 2 no answer
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Where, and which service."""
    parser.add_argument("address", metavar="ADDRESS", help="host:port of the ops port")
    parser.add_argument("--service", default="", metavar="S", help="full name of one service (default: the process)")
    parser.add_argument("--timeout", type=float, default=2.0, metavar="SECONDS", help="default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Asks once."""
    return asyncio.run(_ask(args.address, args.service, args.timeout))


async def _ask(address: str, service: str, timeout: float) -> int:
    from grpc import aio
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    async with aio.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)  # type: ignore[no-untyped-call]
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=timeout)
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    out().print(status)
    return 0 if answer.status == health_pb2.HealthCheckResponse.SERVING else 1
