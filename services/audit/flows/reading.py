"""Reading and exporting a chain. What was acknowledged before is there: it is sealed first."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from services.audit.flows.vault import Opened, Vault
from services.audit.policy import Catalogue, Head, Link, Manifest, Signed, ocsf
from services.audit.policy.export import event_line, header_line, signed_line
from services.audit.policy.personal import is_person
from services.audit.ports import Reader, Span, Wanted

_ROWS = 500
_BYTES = 1_000_000  # of the contract's 1 MiB: the manifest still fits
_MARKS = 500


class Signing(Protocol):
    """Signs the end of an export."""

    def sign(self, statement: bytes) -> Signed:
        """With the active version."""

    def jwks(self) -> Mapping[str, Any]:
        """The public keys."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an export goes on: past `position`, to `until`; `first` is where it began."""

    first: int
    position: int
    until: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an export, and where the next one begins."""

    data: bytes
    next: Place | None


class Reading:
    """`flush` seals what waits of a chain."""

    def __init__(
        self, vault: Vault, signing: Signing, catalogue: Catalogue, flush: Callable[[str], Awaitable[None]]
    ) -> None:
        self._vault, self._signing, self._catalogue, self.flush = vault, signing, catalogue, flush

    async def wanted(self, reader: Reader, actor: str, outcome: str, trace_id: str, code: str) -> Wanted:
        """What to look for; a user is looked for by his pseudonyms, of which an erased one has none."""
        actors: Sequence[str] = (actor,) if actor else ()
        if is_person(actor):
            actors = await reader.keys_of(self._vault.tags(reader.organisation, actor)) or (actor,)
        return Wanted(actors, outcome, trace_id, code)

    async def find(
        self, reader: Reader, span: Span, wanted: Wanted, after: tuple[int, int], limit: int
    ) -> Sequence[Opened]:
        """A page of events by time, readable as far as nothing was erased."""
        return await self._vault.open(reader, await reader.find(span, wanted, after, limit))

    async def begin(self, reader: Reader, span: Span) -> Place:
        """The stretch of the chain that covers a span of time."""
        first, last = await reader.stretch(span)
        return Place(first, first - 1 if first else 0, last)

    async def jsonl(self, reader: Reader, place: Place, now_us: int) -> Chunk:
        """Hashed bytes and checkpoints, with a signed end."""
        data = bytearray()
        if place.position < max(place.first, 1):
            data += header_line(reader.organisation, self._signing.jwks())
        links = await reader.links(place.position, place.until, _ROWS)
        marks = dict(await reader.checkpoints(place.position, _MARKS)) if links else {}
        last: Link | None = None
        for link in links:
            line = event_line(link)
            signed = marks.get(link.sequence)
            line += signed_line("checkpoint", signed) if signed else b""
            if last is not None and len(data) + len(line) > _BYTES:
                break
            data += line
            last = link
        position = last.sequence if last else place.until
        if last is not None and position < place.until:
            return Chunk(bytes(data), Place(place.first, position, place.until))
        data += await self._manifest(reader, place, last, now_us)
        return Chunk(bytes(data), None)

    async def ocsf(self, reader: Reader, place: Place) -> Chunk:
        """The words of other collectors."""
        links = await reader.links(place.position, place.until, _ROWS)
        data = bytearray()
        position = place.until
        for opened in await self._vault.open(reader, links):
            position = opened.link.sequence
            if opened.record is None:
                continue
            event = ocsf.of(opened.record, position, opened.link.hash.hex(), self._catalogue, erased=opened.erased)
            line = json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
            if data and len(data) + len(line) > _BYTES:
                return Chunk(bytes(data), Place(place.first, position - 1, place.until))
            data += line
        more = bool(links) and position < place.until
        return Chunk(bytes(data), Place(place.first, position, place.until) if more else None)

    async def _manifest(self, reader: Reader, place: Place, last: Link | None, now_us: int) -> bytes:
        if last is None and place.until:
            ends = await reader.links(place.until - 1, place.until, 1)
            last = ends[-1] if ends else None
        tip = last.hash if last else Head().hash
        head, greatest = await reader.head()
        manifest = Manifest(
            reader.organisation, place.first, last.sequence if last else 0, tip, max(head.sequence, greatest), now_us
        )
        return signed_line("manifest", self._signing.sign(manifest.statement()))
