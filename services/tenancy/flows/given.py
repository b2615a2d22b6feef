"""The circumstances of a call, from the proven caller: nothing here comes from a request."""

from __future__ import annotations

import math

from services.kit.caller import Caller
from services.tenancy.policy import Circumstances, Standing
from services.tenancy.policy.model import LONG_AGO

_STEP = 10  # seconds; an age is rounded up to this, which errs on the stricter side


def circumstances(caller: Caller, standing: Standing | None, now: float) -> Circumstances:
    """What policies may know of a call. The plan is the organisation's of now, not the one in an older token."""
    proof = caller.authentication
    age = math.ceil(max(0.0, now - proof.auth_time) / _STEP) * _STEP if proof.auth_time else LONG_AGO
    return Circumstances(
        caller.scopes,
        caller.brand,
        caller.zone,
        standing.plan if standing else caller.plan,
        caller.actor,
        proof.acr,
        proof.amr,
        age,
    )
