"""What context_token keeps: see services/kit/retention.py. How long, policies/retention.yaml says."""

from __future__ import annotations

from services.kit.retention import Owned, Volatile

OWNED = Owned(
    "context_token",
    # Ten seconds after the token: whoever asks then hears that it has ended, not that there was none.
    volatile=(Volatile("context_token.bodies", "sealed bodies of context tokens", "hk:ctx:*", 910),),
)
