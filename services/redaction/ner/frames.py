"""How the service and its workers talk: four bytes of length, then that many bytes."""

from __future__ import annotations

import asyncio
import socket
import struct

_LENGTH = struct.Struct(">I")
_MOST = 64 * 1024 * 1024


class HungUp(Exception):
    """The other side is gone, or sends what is no frame."""


def framed(payload: bytes) -> bytes:
    """A payload with its length in front."""
    return _LENGTH.pack(len(payload)) + payload


def read_frame(line: socket.socket) -> bytes | None:
    """The next payload; None when the other side has hung up."""
    head = _exactly(line, _LENGTH.size)
    return None if head is None else _exactly(line, _LENGTH.unpack(head)[0])


def _exactly(line: socket.socket, size: int) -> bytes | None:
    held = bytearray()
    while len(held) < size:
        piece = line.recv(min(size - len(held), 1 << 20))
        if not piece:
            return None
        held += piece
    return bytes(held)


async def next_frame(line: socket.socket) -> bytes:
    """The next payload, without blocking others; raises HungUp."""
    (size,) = _LENGTH.unpack(await _next(line, _LENGTH.size))
    if size > _MOST:
        raise HungUp
    return await _next(line, size)


async def _next(line: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    held = bytearray()
    try:
        while len(held) < size:
            piece = await loop.sock_recv(line, min(size - len(held), 1 << 20))
            if not piece:
                raise HungUp
            held += piece
    except OSError:
        raise HungUp from None
    return bytes(held)


async def send_frame(line: socket.socket, payload: bytes) -> None:
    """Sends a payload, without blocking others; raises HungUp."""
    try:
        await asyncio.get_running_loop().sock_sendall(line, framed(payload))
    except OSError:
        raise HungUp from None
