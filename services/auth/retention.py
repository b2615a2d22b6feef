"""What auth keeps: see services/kit/retention.py. How long, policies/retention.yaml says."""

from __future__ import annotations

from services.kit.retention import Owned, Rows, Volatile

OWNED = Owned(
    "auth",
    rows=(
        # A rotated session is known as replayed for as long as its row is there; the longest life is thirty days.
        Rows("auth.sessions", "sessions, from their end on", least_days=0),
        # A session asks whether the key that opened it still stands: no row would read as "it does".
        Rows("auth.api_keys", "API keys that were revoked or have ended, from then on", least_days=31),
        Rows("auth.key_uses", "who used a key last, from then on"),
        Rows("auth.key_notices", "outbox of webhooks: notices, from when they were delivered or given up"),
        Rows("auth.revocations", "the feed of revocations, which forgets by itself", watched=True),
    ),
    volatile=(
        Volatile("auth.session_cache", "sessions, keys and memberships that a process remembers", most_seconds=10),
        Volatile("auth.admissions", "admissions, as long as their reservation", "hk:auth:adm:*", 3600),
        Volatile("auth.challenges", "resolved challenges, against replay", "hk:auth:challenge:*", 300),
        Volatile("auth.challenge_counts", "failures and challenges of an address", "hk:auth:{addr:*", 3600),
        Volatile("auth.epoch_mirror", "epochs that were asked for", "hk:auth:{*}:epochs", 900),
        Volatile("auth.watchers", "processes that follow the feed", "hk:auth:{_feed}:*", 3600),
    ),
    kept={
        "auth.epochs": "without its epoch a revoked credential would live again; those with an end go by themselves",
        "auth.revocation_head": "one row: where the feed is",
        "auth.key_settings": "settings of an organisation, until it changes them",
        "auth.brand_edges": "settings of a brand, until they are changed",
    },
)
