"""The gate that records pass on their way out of the process: a log line, a span. One with a value that must not leave
is dropped and counted by its kind; `services.kit.dropped` puts the count on record.

Every record is looked at; past `MOST` a second, one in `SHARE`, so that looking stays cheap when a process writes much.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice

from services.kit.leaving import Kind, found
from services.kit.telemetry.counting import count

MOST = 2_000
SHARE = 10
LONGEST = 4_096  # characters of one value: an attribute of ours has 128
_DEPTH = 6
_WIDTH = 256  # names and values of one container: a span has at most 128 attributes
NAME_WITHHELD = "withheld"
METRIC = "hauberk.personal_data_dropped"


@dataclass(slots=True)
class Dropped:
    """Records dropped for one kind of value since it was last told; `record` is the name of the first."""

    kind: Kind
    record: str
    places: set[str] = field(default_factory=set)
    amount: int = 0


class Gate:
    """Shared by the threads of a process: logs pass in any, spans in the exporter's."""

    def __init__(self, most: int = MOST, share: int = SHARE, now: Callable[[], float] = time.monotonic) -> None:
        self._most, self._share, self._now = most, share, now
        self._second, self._passed = 0, 0
        self._lock = threading.Lock()
        self._dropped: dict[Kind, Dropped] = {}
        self._due: dict[Kind, float] = {}

    def passes(self, place: str, record: str, values: Iterable[object]) -> bool:
        """False when the record must not leave. `place` is `log` or `span`; `record` names it, and is looked at too."""
        if not self._looks():
            return True
        # One text, so that each pattern looks once; none goes over the end of a line.
        kind = found("\n".join([record[:LONGEST], *_texts(values)]))
        if kind is None:
            return True
        count(METRIC, place=place, kind=kind.value)
        with self._lock:
            name = NAME_WITHHELD if found(record) else record
            entry = self._dropped.setdefault(kind, Dropped(kind, name))
            entry.places.add(place)
            entry.amount += 1
        return False

    def take(self, pause: float, *, last: bool = False) -> list[Dropped]:
        """What is to be told now: each kind at once, then not again for `pause` seconds; with `last` everything."""
        now = self._now()
        with self._lock:
            due = [kind for kind in self._dropped if last or now >= self._due.get(kind, now)]
            self._due.update(dict.fromkeys(due, now + pause))
            return [self._dropped.pop(kind) for kind in due]

    def give_back(self, dropped: Dropped, seconds: float) -> None:
        """It could not be told: so much later it is to be tried again."""
        with self._lock:
            later = self._dropped.get(dropped.kind)
            if later is not None:
                dropped.amount += later.amount
                dropped.places |= later.places
            self._dropped[dropped.kind] = dropped
            self._due[dropped.kind] = self._now() + seconds

    def _looks(self) -> bool:
        # Without the lock: two threads that count at once move the bound by one record.
        second = int(self._now())
        if second != self._second:
            self._second, self._passed = second, 0
        self._passed += 1
        return self._passed <= self._most or random.random() * self._share < 1  # noqa: S311 - a sample


def _texts(values: Iterable[object], depth: int = 0) -> list[str]:
    texts: list[str] = []
    for value in islice(values, _WIDTH):
        if isinstance(value, str):
            texts.append(value[:LONGEST])
        elif isinstance(value, bytes):
            texts.append(value[:LONGEST].decode("ascii", "replace"))
        elif isinstance(value, int) and 10**8 <= value < 10**24:
            texts.append(str(value))
        elif isinstance(value, Mapping) and depth < _DEPTH:
            texts += _texts(chain.from_iterable(value.items()), depth + 1)
        elif isinstance(value, list | tuple | set | frozenset) and depth < _DEPTH:
            texts += _texts(value, depth + 1)
        elif isinstance(value, BaseException) and depth < _DEPTH:
            texts += _texts(value.args, depth + 1)
    return texts


GATE = Gate()
"""The one of this process: its logs and spans go to the same places, whoever writes them."""
