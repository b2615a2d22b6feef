"""The decision core of tenancy: who may do what in their own organisation. Free of I/O."""

from services.tenancy.policy.cedar import Engine, PolicyInvalidError
from services.tenancy.policy.decide import authorize, authorize_all, leaves_no_owner, locate, resolve, touches_owner
from services.tenancy.policy.model import (
    OWNER_ROLE,
    Brand,
    Cause,
    Circumstances,
    Decision,
    Member,
    Organisation,
    Pointers,
    Resolved,
    Resource,
    Standing,
    Status,
    deny,
)

__all__ = [
    "OWNER_ROLE",
    "Brand",
    "Cause",
    "Circumstances",
    "Decision",
    "Engine",
    "Member",
    "Organisation",
    "Pointers",
    "PolicyInvalidError",
    "Resolved",
    "Resource",
    "Standing",
    "Status",
    "authorize",
    "authorize_all",
    "deny",
    "leaves_no_owner",
    "locate",
    "resolve",
    "touches_owner",
]
