"""An export as JSON Lines: a header, each event as its hashed bytes, the checkpoints between them, a signed end.

Personal fields stay sealed in it: who is erased later is erased in every export that was ever made.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.audit.policy.canonical import NotCanonicalError, decode
from services.audit.policy.chain import Finding, Problem, Signature, Statements, Verification, link_hash
from services.audit.policy.checkpoint import Manifest, NotACheckpointError, Signed, parse, parse_manifest
from services.audit.policy.model import GENESIS, Head, Link, columns_of

FORM = "hauberk-audit-1"


class NotAnExportError(ValueError):
    """A file that is no export at all, with what is wrong in words."""


@dataclass(slots=True)
class Parsed:
    """What is read of an export; `keys` are the public keys that it brings along, which prove nothing by themselves."""

    organisation: str = ""
    keys: Mapping[str, Any] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    checkpoints: list[Signed] = field(default_factory=list)
    manifest: Signed | None = None


def header_line(organisation: str, keys: Mapping[str, Any]) -> bytes:
    """The first line."""
    return _line({"export": FORM, "organisation": organisation, "keys": keys})


def event_line(link: Link) -> bytes:
    """One event: the hashed bytes as a text, which JSON gives back exactly, with their place."""
    return _line(
        {
            "sequence": link.sequence,
            "prev": link.prev.hex(),
            "hash": link.hash.hex(),
            "canonical": link.canonical.decode("utf-8", "replace"),
        }
    )


def signed_line(name: str, signed: Signed) -> bytes:
    """A checkpoint or the manifest."""
    signature = base64.b64encode(signed.signature).decode("ascii")
    return _line({name: signed.statement.decode(), "kid": signed.kid, "signature": signature})


def signed_of(name: str, body: Mapping[str, Any]) -> Signed:
    """The other way round. Raises NotAnExportError."""
    try:
        return Signed(body[name].encode(), str(body["kid"]), base64.b64decode(body["signature"], validate=True))
    except (KeyError, TypeError, AttributeError, binascii.Error):
        raise NotAnExportError(f"a {name} without its signature") from None


def read_signed(data: bytes) -> Signed:
    """A checkpoint that stands alone, as it lies at an anchor. Raises NotAnExportError."""
    for _, body in _bodies([data]):
        return signed_of("checkpoint", body)
    raise NotAnExportError("nothing is in it")


def read(lines: Iterable[bytes]) -> Parsed:
    """Reads an export. Raises NotAnExportError; an altered event is no error here, verifying finds it."""
    found = Parsed()
    for number, body in _bodies(lines):
        if "export" in body:
            if number != 1 or body["export"] != FORM or not isinstance(body.get("keys"), dict):
                raise NotAnExportError(f"line {number} is no header of this form")
            found.organisation, found.keys = str(body.get("organisation", "")), body["keys"]
        elif "checkpoint" in body:
            found.checkpoints.append(signed_of("checkpoint", body))
        elif "manifest" in body:
            found.manifest = signed_of("manifest", body)
        else:
            found.links.append(_link(body))
    if not found.keys:
        raise NotAnExportError("there is no header")
    return found


def verify(export: Parsed, genuine: Signature, anchors: Iterable[Signed] = ()) -> tuple[Verification, Finding]:
    """Whether everything in an export holds together, was signed, and is what lies at the anchors."""
    links = export.links
    first = links[0].sequence if links else 1
    walk = Verification(export.organisation, Head(0, GENESIS), Head(first - 1, links[0].prev if links else GENESIS))
    manifest = _manifest(export, genuine)
    if isinstance(manifest, Finding):
        # An altered event explains more than the signature that no longer fits it.
        marks = Statements(export.organisation, genuine)
        walk.expect(marks.read(export.checkpoints))
        return walk, walk.read(links) if walk.read(links).problem else manifest
    own = Statements(export.organisation, genuine)
    walk.expect(own.read(export.checkpoints))
    outside = Statements(export.organisation, genuine, Problem.ANCHOR)
    anchors = list(anchors)
    walk.expect(mark for mark in outside.read(anchors) if mark.sequence <= manifest.last)
    finding = walk.read(links)
    if finding.problem:
        return walk, finding
    if own.finding.problem or outside.finding.problem:
        return walk, own.finding if own.finding.problem else outside.finding
    if walk.verified < manifest.last:
        return walk, Finding(Problem.TRUNCATED, walk.verified + 1)
    if walk.verified > manifest.last or walk.tip != manifest.hash or first != (manifest.first or 1):
        return walk, Finding(Problem.SIGNATURE, manifest.last)
    if any(_missing(signed, manifest) for signed in anchors):
        return walk, Finding(Problem.TRUNCATED, manifest.head + 1)
    return walk, finding


def _missing(anchor: Signed, manifest: Manifest) -> bool:
    """The chain was longer before the export was made than it was then."""
    checkpoint = parse(anchor.statement)
    return checkpoint.sequence > manifest.head and checkpoint.at_us <= manifest.at_us


def _manifest(export: Parsed, genuine: Signature) -> Manifest | Finding:
    end = export.links[-1].sequence if export.links else 0
    if export.manifest is None:
        return Finding(Problem.TRUNCATED, end + 1)
    try:
        manifest = parse_manifest(export.manifest.statement)
    except NotACheckpointError:
        return Finding(Problem.SIGNATURE, end)
    if manifest.organisation != export.organisation or not genuine(export.manifest):
        return Finding(Problem.SIGNATURE, end)
    return manifest


def _bodies(lines: Iterable[bytes]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(lines, 1):
        try:
            body = json.loads(line)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            raise NotAnExportError(f"line {number} is not JSON")
        yield number, body


def _link(body: Mapping[str, Any]) -> Link:
    """An event with nothing beside it that could tell another story."""
    try:
        canonical = body["canonical"].encode()
        prev, tip, sequence = bytes.fromhex(body["prev"]), bytes.fromhex(body["hash"]), int(body["sequence"])
    except (KeyError, ValueError, TypeError, AttributeError):
        raise NotAnExportError("a line is neither an event nor a checkpoint") from None
    try:
        columns = columns_of(decode(canonical))
    except NotCanonicalError:
        columns = columns_of(_NOTHING)
    return Link(sequence, canonical, prev, tip, columns)


_NOTHING = decode(
    b'{"actor":"","at":"1970-01-01T00:00:00.000000Z","brand":"","challenge":"","class":"","client_address":"","code":"",'
    b'"event_id":"","facts":{},"mfa":"","organisation":"","outcome":"","reason":"","service":"","trace_id":"",'
    b'"txn":"","user_agent":""}'
)


def _line(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


__all__ = [
    "NotAnExportError",
    "Parsed",
    "event_line",
    "header_line",
    "link_hash",
    "read",
    "read_signed",
    "signed_line",
    "verify",
]
