"""Which fields an update changes, and whether it is still about what its caller has read. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from services.kit.errors import Aborted, InvalidArgument

MOST = 32
ALL = "*"


def chosen(paths: Iterable[str], mutable: Collection[str], known: Collection[str], filled: Iterable[str]) -> set[str]:
    """The fields to change: those named, all for `*`, those that are set when none is named.

    `known` are the other fields of the resource: they exist and cannot be changed. Raises InvalidArgument.
    """
    named = list(paths)
    if len(named) > MOST:
        raise InvalidArgument.of("update_mask", f"at most {MOST} paths")
    if named == [ALL]:
        return set(mutable)
    for place, path in enumerate(named):
        if path not in mutable:
            raise InvalidArgument.of(f"update_mask.paths[{place}]", _rule(path, mutable, known))
    return set(named) or {field for field in filled if field in mutable}


def _rule(path: str, mutable: Collection[str], known: Collection[str]) -> str:
    fields = ", ".join(sorted(mutable))
    if path == ALL:
        return "* stands alone"
    return f"this field cannot be changed; those that can: {fields}" if path in known else f"must be one of {fields}"


def hold(asked: str, found: str | None) -> None:
    """Raises Aborted when the etag that was asked with is not the one that is there (None: nothing is)."""
    if asked and asked != found:
        raise Aborted("ETAG_MISMATCH", "it was changed since it was read: read it again")
