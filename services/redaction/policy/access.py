"""Who may have values put back."""

from __future__ import annotations

GATEWAY = "gateway"


def may_restore(asking: str, redacted_by: str) -> bool:
    """Only the gateway, or the very workload that had the value replaced. Names are `gateway`, `backend/shop`."""
    return asking == GATEWAY or (bool(redacted_by) and asking == redacted_by)
