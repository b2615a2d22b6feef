"""What audit keeps: see services/kit/retention.py. How long, policies/retention.yaml says."""

from __future__ import annotations

from services.kit.retention import Owned, Rows

TRAIL = "audit.events"
"""Goes by the month, into archives: see flows/retention_trail.py."""

OWNED = Owned(
    "audit",
    rows=(
        Rows("audit.inbox", "events that wait to be sealed, which takes seconds", watched=True),
        Rows(
            "audit.cases",
            "incidents and what was done about them, once nobody has to look at them again",
            least_days=90,
        ),
    ),
    kept={
        TRAIL: "goes by the month: archived, verified, then dropped",
        "audit.known": "ids by which a second delivery is known; they go with their month",
        "audit.heads": "where each chain ends",
        "audit.checkpoints": "signed places: archives and what follows them are verified by these, for ever",
        "audit.anchored": "how far each anchor is",
        "audit.subject_keys": "until the subject is erased: archives are read, and forgotten, by them",
        "audit.archives": "which files hold what went: positions and hashes, nothing of a person",
        "audit.cuts": "signed places where what is left of a chain begins",
        "audit.legal_holds": "what was held, why and by whom: evidence",
        "audit.retention_runs": "what went, and when: evidence",
    },
)
