"""What ratelimit keeps: see services/kit/retention.py. How long, policies/retention.yaml and the settings say."""

from __future__ import annotations

from services.kit.retention import Owned, Rows, Volatile

_FOLDED = "which the service folds by itself (ledger_days)"
_DAY = 86_400

OWNED = Owned(
    "ratelimit",
    rows=(
        Rows("ratelimit.overrides", "limits that were granted for a while, from their end on"),
        Rows("ratelimit.ledger", f"each settled request, {_FOLDED}", watched=True, least_days=71),
        Rows("ratelimit.holds", f"reservations that nobody settled, {_FOLDED}", watched=True, least_days=71),
        Rows("ratelimit.spent", f"the sums of open windows, {_FOLDED}", watched=True, least_days=40),
        Rows("ratelimit.resets", f"counters set to zero, {_FOLDED}", watched=True, least_days=71),
        Rows("ratelimit.used", "sums of windows for bills, which go by themselves (used_days)", watched=True),
    ),
    volatile=(
        Volatile(
            "ratelimit.places",
            "names of organisations and servers, as long as there is a ledger",
            "hk:ratelimit:{_ledger}:*",
        ),
        Volatile(
            "ratelimit.idempotency",
            "answers, so that a repeated request gets the same",
            "hk:ratelimit:{*}:h:*",
            25 * 3600,
        ),
        Volatile(
            "ratelimit.counters", "windows, penalties, open reservations, the stream", "hk:ratelimit:{*}:*", 71 * _DAY
        ),
    ),
)
