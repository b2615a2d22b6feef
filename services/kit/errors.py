"""The errors a handler may raise: each owns its status code, a stable reason and a text that is safe to send.

An error here means "could not decide". A denial is never an error: it is an outcome in an OK response.
The boundary (`services.kit.boundary`) turns these, and nothing else, into gRPC statuses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import grpc


@dataclass(frozen=True, slots=True)
class Violation:
    """One field that broke one rule: `field` is a dotted path in the request, `rule` says what was expected."""

    field: str
    rule: str


# A status travels in trailers, of which clients take 8 KiB: a longer one would arrive as RESOURCE_EXHAUSTED.
SHOWN_VIOLATIONS = 20


class KitError(Exception):
    """A failure with a canonical code, an UPPER_SNAKE reason and a public message (never data of the caller)."""

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: str,
        message: str,
        *,
        violations: Sequence[Violation] = (),
        retry_after: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.violations = tuple(violations)
        self.retry_after = retry_after
        self.metadata = dict(metadata or {})


class Unauthenticated(KitError):
    """The caller did not prove who it is. One outer answer for every cause."""

    def __init__(self, message: str = "a valid transaction token and client certificate are required") -> None:
        super().__init__(grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", message)


class PermissionDenied(KitError):
    """The caller is known and may not use this RPC at all (a decision about content is an outcome instead)."""

    def __init__(self, message: str = "this caller may not use this method", reason: str = "PERMISSION_DENIED") -> None:
        super().__init__(grpc.StatusCode.PERMISSION_DENIED, reason, message)


class InvalidArgument(KitError):
    """The request breaks the contract; every wrong field is named."""

    def __init__(self, *violations: Violation) -> None:
        shown = violations[:SHOWN_VIOLATIONS]
        fields = ", ".join(v.field for v in shown) or "request"
        more = f" and {len(violations) - len(shown)} more" if len(violations) > len(shown) else ""
        super().__init__(
            grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT", f"invalid field: {fields}{more}", violations=shown
        )

    @classmethod
    def of(cls, field: str, rule: str) -> InvalidArgument:
        """One field, one rule."""
        return cls(Violation(field, rule))


class NotFound(KitError):
    """Foreign and unknown are one answer."""

    def __init__(self, what: str) -> None:
        super().__init__(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", f"{what} not found")


class AlreadyExists(KitError):
    """The name is taken within the caller's own organisation."""

    def __init__(self, what: str) -> None:
        super().__init__(grpc.StatusCode.ALREADY_EXISTS, "ALREADY_EXISTS", f"{what} already exists")


class FailedPrecondition(KitError):
    """The state does not allow it; retrying unchanged will not help."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(grpc.StatusCode.FAILED_PRECONDITION, reason, message)


class Aborted(KitError):
    """Somebody else changed it meanwhile: read it again, then decide again."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(grpc.StatusCode.ABORTED, reason, message)


class Unavailable(KitError):
    """A dependency did not answer; the name of the dependency is public, its error text is not."""

    def __init__(self, dependency: str, retry_after: float = 1.0) -> None:
        super().__init__(
            grpc.StatusCode.UNAVAILABLE,
            "DEPENDENCY_UNAVAILABLE",
            f"{dependency} is unavailable",
            retry_after=retry_after,
            metadata={"dependency": dependency},
        )
        self.dependency = dependency


class DeadlineExceeded(KitError):
    """The caller's time is spent; nothing was left half done that is not reclaimed by expiry."""

    def __init__(self, message: str = "the deadline is spent") -> None:
        super().__init__(grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", message)


class Exhausted(KitError):
    """This process has no capacity left for the call (not a rate-limit decision, which is an outcome)."""

    def __init__(self, message: str = "no capacity left", retry_after: float = 1.0) -> None:
        super().__init__(grpc.StatusCode.RESOURCE_EXHAUSTED, "NO_CAPACITY", message, retry_after=retry_after)


INTERNAL = KitError(grpc.StatusCode.INTERNAL, "INTERNAL", "the request could not be decided")
UNIMPLEMENTED = KitError(grpc.StatusCode.UNIMPLEMENTED, "NOT_SERVED", "this method is not served by this version")


def public(error: Exception) -> KitError:
    """What anybody outside may learn of an exception: status, span and audit trail all say this."""
    if isinstance(error, KitError):
        return error
    if isinstance(error, TimeoutError):
        return DeadlineExceeded()
    # What generated base servicers raise.
    return UNIMPLEMENTED if isinstance(error, NotImplementedError) else INTERNAL
