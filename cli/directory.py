"""What `org`, `brand` and `member` share: whom they ask as, pages to the end, tables."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from cli.terminal import out, print_json

Ask = Callable[[str, Any], Awaitable[Any]]
PAGE = 200
# Seconds; services may be started in any order.
PATIENCE = 15.0


@asynccontextmanager
async def administering(args: argparse.Namespace) -> AsyncIterator[Ask]:
    """Asks tenancy with the key of the first administrator of the stack in the data folder."""
    from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

    from cli.asking import TIMEOUT, reach
    from cli.members import Administrator

    async with reach(args.data) as stack:
        stub, administrator = TenancyServiceStub(stack.channel("tenancy")), Administrator(stack)

        async def ask(method: str, request: Any) -> Any:
            # Who accepts an invitation is no tenant yet.
            own = () if method == "AcceptInvitation" else await administrator.metadata()
            return await getattr(stub, method)(request, timeout=TIMEOUT, metadata=own)

        yield ask


@asynccontextmanager
async def operating(args: argparse.Namespace) -> AsyncIterator[Ask]:
    """Asks as the operator: the stack in the data folder, or with --tls services that run anywhere."""
    from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub
    from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

    from cli.asking import reach
    from services.kit.channels import connect
    from services.kit.tls import TlsFiles

    def through(directory: Any, keys: Any) -> Ask:
        tenancy, auth = TenancyServiceStub(directory), AuthServiceStub(keys)

        async def ask(method: str, request: Any) -> Any:
            return await _patiently(getattr(tenancy, method, None) or getattr(auth, method), request)

        return ask

    if args.tls is None:
        async with reach(args.data) as stack:
            yield through(stack.channel("tenancy", "operator"), stack.channel("auth", "operator"))
        return
    files = TlsFiles(args.tls / "operator.crt", args.tls / "operator.pem", args.tls / "ca.crt")
    async with connect(args.tenancy, "tenancy", files) as directory, connect(args.auth, "auth", files) as keys:
        yield through(directory, keys)


async def every(ask: Ask, method: str, request: Any, field: str) -> list[Any]:
    """All pages of a list."""
    found: list[Any] = []
    request.page_size = PAGE
    while True:
        page = await ask(method, request)
        found += getattr(page, field)
        request.page_token = page.next_page_token
        if not request.page_token:
            return found


def show(args: argparse.Namespace, message: Any) -> int:
    """One resource."""
    from rich.table import Table
    from rich.text import Text

    known = _as_dict(message)
    if args.json:
        print_json(known)
        return 0
    rows = Table(box=None, pad_edge=False, show_header=False)
    for name, value in known.items():
        rows.add_row(Text(name.replace("_", " "), "bright_black"), Text(_word(value)))
    out().print(rows)
    return 0


def show_all(args: argparse.Namespace, name: str, found: Iterable[Any], columns: Sequence[str]) -> int:
    """Many of them, by these fields."""
    from rich.table import Table
    from rich.text import Text

    known = [_as_dict(message) for message in found]
    if args.json:
        print_json({name: known})
        return 0
    rows = Table(box=None, pad_edge=False)
    for column in columns:
        rows.add_column(column.replace("_", " "))
    for one in known:
        rows.add_row(*(Text(_word(one.get(column))) for column in columns))
    out().print(rows if known else f"no {name}")
    return 0


def done(args: argparse.Namespace, word: str, what: str, *, existed: bool) -> int:
    """Something was taken away, or was not there."""
    if args.json:
        print_json({word: what, "existed": existed})
    else:
        out().print(word if existed else f"there was no {what}", markup=False)
    return 0


def _as_dict(message: Any) -> dict[str, Any]:
    from cli.key_tables import as_dict

    return as_dict(message)


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " ".join(map(str, value)) or "all"
    text = str(value or "-")
    return text.rpartition("STATUS_")[2].rpartition("STATE_")[2].lower() if "_STAT" in text else text


async def _patiently(method: Any, request: Any) -> Any:
    """Asks again while a service that has just started does not have its peers yet."""
    import grpc
    from grpc import aio

    until = time.monotonic() + PATIENCE
    while True:
        try:
            return await method(request, timeout=10)
        except aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE or time.monotonic() > until:
                raise
        await asyncio.sleep(0.25)
