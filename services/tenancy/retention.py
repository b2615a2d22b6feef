"""What tenancy keeps: see services/kit/retention.py. How long, policies/retention.yaml says."""

from __future__ import annotations

from services.kit.retention import Owned, Rows

_OWN = "a tenant's own content, until the tenant deletes it"
_DIRECTORY = "the directory, until it is changed"

OWNED = Owned(
    "tenancy",
    rows=(
        # As a whole: turns are chained, and a chain without its beginning would look altered.
        Rows(
            "tenancy.conversations",
            "conversation history with all its turns, from the last turn on",
            classed=True,
            with_it=("tenancy.turns",),
        ),
        Rows("tenancy.invitations", "invitations, from their end on"),
    ),
    kept={
        "tenancy.organisations": _DIRECTORY,
        "tenancy.brands": _DIRECTORY,
        "tenancy.members": _DIRECTORY,
        "tenancy.member_brands": _DIRECTORY,
        "tenancy.policy_versions": "who may do what, and what was in force before",
        "tenancy.policy_state": "which version is in force",
        "tenancy.policy_trials": "counts of a version on trial; they go with the version",
        "tenancy.resources": _OWN,
        "tenancy.documents": _OWN,
        "tenancy.chunks": _OWN,
        "tenancy.knowledge_spaces": _OWN,
        "tenancy.content_keys": "without its key content cannot be read; keys go when nothing is sealed under them",
    },
)
