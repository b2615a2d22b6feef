"""Free ports of this machine, for servers that are started a moment later."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack

# Below what systems give to outgoing connections: a client must not take the port before its server does.
_FIRST, _LAST = 20_000, 29_999


def free_ports(count: int) -> list[int]:
    """Different ports of the loopback interface on which nothing listens."""
    found: list[int] = []
    with ExitStack() as held:
        for port in random.sample(range(_FIRST, _LAST), _LAST - _FIRST):
            if len(found) == count:
                break
            probe = held.enter_context(socket.socket())
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(port)
    return found
