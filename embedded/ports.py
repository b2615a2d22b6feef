"""Free ports of this machine, for servers that are started a moment later."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack

# Below what systems give to outgoing connections: a client must not take the port before its server does.
_FIRST, _LAST, _OUTGOING = 20_000, 30_000, 32_768


def free_ports(count: int, bus: int = 0) -> list[int]:
    """Different ports of the loopback interface on which nothing listens, nor on the ones `bus` above them."""
    last = min(_LAST, _OUTGOING - bus)
    found: list[int] = []
    with ExitStack() as held:
        for port in random.sample(range(_FIRST, last), last - _FIRST):
            if len(found) == count:
                break
            if all(_take(held, each) for each in {port, port + bus}):
                found.append(port)
    return found


def _take(held: ExitStack, port: int) -> bool:
    probe = held.enter_context(socket.socket())
    try:
        probe.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True
