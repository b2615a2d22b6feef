"""`hauberk healthcheck ADDRESS`: asks a process whether it serves, for health checks of containers."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from cli.errors import CliError
from cli.terminal import out

HELP = "ask a process on this machine whether it serves"
ABOUT = """\
Asks the standard gRPC health service on the ops port of a process. The ops port is on loopback, so this runs beside
the process, e.g. inside its container. The HTTP edge has no such port: give its address as https://, and --ca.
"""
EXAMPLES = """\
examples:
  hauberk healthcheck 127.0.0.1:7444
  hauberk healthcheck 127.0.0.1:7444 --service hauberk.auth.v1.AuthService
  hauberk healthcheck https://127.0.0.1:8443 --ca prepared/tls/ca.crt

exit status: 0 serving, 1 not serving, 2 no answer
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Where, and which service."""
    parser.add_argument("address", metavar="ADDRESS", help="host:port of the ops port, or https://host:port of an edge")
    parser.add_argument(
        "--ca", type=Path, metavar="FILE", help="edge: who signed its certificate (default: the system's)"
    )
    parser.add_argument(
        "--name", default="", metavar="HOST", help="edge: name in its certificate (default: host of ADDRESS)"
    )
    parser.add_argument("--service", default="", metavar="S", help="full name of one service (default: the process)")
    parser.add_argument("--timeout", type=float, default=2.0, metavar="SECONDS", help="default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Asks once."""
    if args.address.startswith("https://"):
        return asyncio.run(_ask_edge(args))
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


async def _ask_edge(args: argparse.Namespace) -> int:
    from gateway.http.resources import LIVE

    url = urlsplit(args.address)
    try:
        trusted = ssl.create_default_context(cafile=args.ca)
        async with asyncio.timeout(args.timeout):
            name = args.name or url.hostname
            reader, writer = await asyncio.open_connection(
                url.hostname, url.port or 443, ssl=trusted, server_hostname=name
            )
            with contextlib.closing(writer):
                writer.write(f"GET {LIVE} HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n\r\n".encode())
                status = (await reader.readline()).split()
    except (OSError, ValueError):
        raise CliError("the edge cannot be reached, or its certificate is not trusted") from None
    serving = status[1:2] == [b"200"]
    out().print("SERVING" if serving else "NOT_SERVING")
    return 0 if serving else 1
