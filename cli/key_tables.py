"""API keys as people read them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf import json_format
from rich.table import Table
from rich.text import Text


def as_dict(message: Any) -> dict[str, Any]:
    """For --json: every key, also what is empty."""
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def keys_table(keys: Iterable[Any]) -> Table:
    """One row per key."""
    rows = _table("key", "name", "user", "brand", "scopes", "state", "ends (UTC)", "last use", "by", "from")
    for key in keys:
        rows.add_row(
            Text(key.key_id),
            Text(key.display_name or "-"),
            Text(key.subject),
            Text(key.brand or "any"),
            Text(" ".join(key.scopes)),
            state(key),
            _when(key, "expires_at"),
            _when(key, "last_used_at"),
            Text(key.last_used_workload or "-"),
            Text(key.last_used_network or "-"),
        )
    return rows


def state(key: Any) -> str:
    """In one word."""
    if key.HasField("revoked_at"):
        return "revoked"
    if key.HasField("leaked_at"):
        return "leaked"
    if key.rotated_to:
        return "rotated"
    return "imported" if key.imported else "active"


def uses_table(uses: Iterable[Any]) -> Table:
    """One row per workload and network."""
    rows = _table("workload", "network", "last use (UTC)")
    for use in uses:
        rows.add_row(Text(use.workload), Text(use.network or "-"), _when(use, "last_used_at"))
    return rows


def peppers_table(versions: Iterable[Any]) -> Table:
    """One row per version."""
    rows = _table("version", "state", "keys", "of those usable")
    for version in versions:
        rows.add_row(
            Text(version.version), "active" if version.active else "older", str(version.kept), str(version.usable)
        )
    return rows


def _table(*titles: str) -> Table:
    rows = Table(box=None, pad_edge=False)
    for title in titles:
        rows.add_column(title)
    return rows


def _when(message: Any, name: str) -> str:
    return getattr(message, name).ToDatetime().strftime("%Y-%m-%d %H:%M") if message.HasField(name) else "-"
