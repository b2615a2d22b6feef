"""Plain words for outcomes and reasons."""

from __future__ import annotations

from hauberk.common.v1 import decision_pb2 as common

_OUTCOMES = {
    "ALLOW": ("allowed", "green"),
    "DENY": ("denied", "red"),
    "CHALLENGE": ("challenge", "yellow"),
    "THROTTLE": ("throttled", "yellow"),
    "NEEDS_APPROVAL": ("needs approval", "yellow"),
}
_REASONS = {
    "NONE": "",
    "CREDENTIAL_NOT_ACCEPTED": "the credential was not accepted",
    "ADMISSION_NOT_ACCEPTED": "the admission was not accepted",
    "ORGANISATION_SUSPENDED": "the organisation is suspended",
    "NOT_PERMITTED": "not permitted here",
    "POLICY_ERROR": "the policy could not be evaluated",
    "RATE_LIMITED": "over a rate limit",
    "BUDGET_EXHAUSTED": "a budget is used up",
    "NEVER_FITS": "larger than the whole limit",
    "ADDRESS_OVER_LIMIT": "too many requests from this address",
    "CHALLENGE_REQUIRED": "a bot challenge is required",
    "PERSONAL_DATA_REPLACED": "personal data was replaced",
    "TOO_LARGE": "the text is too large to scan",
    "STAGE_UNAVAILABLE": "this layer could not decide",
    "DEADLINE_SPENT": "no time was left",
    "NOT_REACHED": "not reached",
    "UNKNOWN_MODEL": "the model has no price",
    "INJECTION": "prompt injection",
    "TOOL_CALL_REFUSED": "the tool call was refused",
    "OUTPUT_WITHHELD": "the output was withheld",
    "CONTEXT_NOT_ACCEPTED": "the context token was not accepted",
    "PENALISED": "suspended for a while after repeated abuse",
    "TOOL_CHANGED": "the tool's definition is not the one that was shown or approved",
    "TOOL_QUOTA": "this tool was called as often as it may be",
    "TOOL_SEQUENCE": "not after what was called in this conversation",
    "TOOL_TAINTED": "what decides the call did not come from the user",
    "TOOL_NEEDS_APPROVAL": "a person must approve every call of this tool",
    "APPROVAL_NOT_ACCEPTED": "the approval is not for this call, or not good any more",
    "STEP_UP_REQUIRED": "a stronger or more recent sign-in is needed",
}


def outcome_name(value: int) -> str:
    """`ALLOW`, `DENY`, ...; anything unknown or unstated is DENY, as everywhere."""
    try:
        name = common.Outcome.Name(value).removeprefix("OUTCOME_")  # type: ignore[arg-type]
    except ValueError:
        return "DENY"
    return name if name in _OUTCOMES else "DENY"


def reason_name(value: int) -> str:
    """`RATE_LIMITED`, `NONE`, ...; unknown values stay visible as such."""
    try:
        return common.Reason.Name(value).removeprefix("REASON_")  # type: ignore[arg-type]
    except ValueError:
        return "UNSPECIFIED"


def outcome_word(name: str) -> str:
    """`allowed`, `throttled`, ..."""
    return _OUTCOMES.get(name, ("denied", "red"))[0]


def colour_of(name: str) -> str:
    """The colour that an outcome is shown in."""
    return _OUTCOMES.get(name, ("denied", "red"))[1]


def reason_words(name: str) -> str:
    """A short phrase; empty when nothing stood against it."""
    return _REASONS.get(name, name.lower().replace("_", " "))


def wait_words(seconds: float) -> str:
    """`42 s`, `3 min`, `5 h 10 min`: as exact as a person needs."""
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"
