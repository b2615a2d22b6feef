"""The pure core of rate limiting: policy, prices, calendars and the shape of an answer."""

from services.ratelimit.policy.calendars import CALENDARS, boundaries
from services.ratelimit.policy.compile import Compiler, compile_limit
from services.ratelimit.policy.document import PolicyDocument, PolicyError, parse_policy
from services.ratelimit.policy.fallback import local_standing, share_of
from services.ratelimit.policy.model import (
    Algorithm,
    Calendar,
    Costs,
    Decision,
    Group,
    Identity,
    Limit,
    Mode,
    OnExceed,
    OnExpiry,
    OnStoreError,
    Outcome,
    Price,
    Reason,
    Standing,
    Subject,
    Unit,
)
from services.ratelimit.policy.pricing import Prices, money
from services.ratelimit.policy.verdict import decide

__all__ = [
    "CALENDARS",
    "Algorithm",
    "Calendar",
    "Compiler",
    "Costs",
    "Decision",
    "Group",
    "Identity",
    "Limit",
    "Mode",
    "OnExceed",
    "OnExpiry",
    "OnStoreError",
    "Outcome",
    "PolicyDocument",
    "PolicyError",
    "Price",
    "Prices",
    "Reason",
    "Standing",
    "Subject",
    "Unit",
    "boundaries",
    "compile_limit",
    "decide",
    "local_standing",
    "money",
    "parse_policy",
    "share_of",
]
