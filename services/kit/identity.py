"""The identity layer: which workload calls (mTLS), whether the matrix lets it, and for whom (transaction token)."""

from __future__ import annotations

from typing import Any

from services.kit import access
from services.kit.call import Call, Proceed
from services.kit.caller import Workload
from services.kit.errors import PermissionDenied, Unauthenticated
from services.kit.revocations import Guard
from services.kit.txn_token import METADATA_KEY, TokenVerifier

# gRPC sets it only when the certificate has exactly one URI name and that is a SPIFFE id. (The list of all alternative
# names would let a certificate for an odd DNS name pass for a workload.)
SAN = "peer_spiffe_id"
SCHEME = "spiffe://"
AUTH = "auth"


class Identity:
    """Proves workload and caller; everything after it may rely on both."""

    name = "identity"
    after: tuple[str, ...] = ("boundary", "telemetry", "deadline")

    def __init__(self, verifier: TokenVerifier | None, trust_domain: str, guard: Guard | None = None) -> None:
        self._verifier = verifier
        self._guard = guard
        self._prefix = f"{SCHEME}{trust_domain}/".encode()
        self._trust_domain = trust_domain

    async def __call__(self, call: Call, proceed: Proceed) -> Any:
        """Refuses whoever the contract does not name."""
        rule = call.access
        if rule is None:
            raise PermissionDenied
        call.workload = self.workload(call)
        if rule.kind != access.ANONYMOUS:
            if call.workload is None:
                raise Unauthenticated
            if call.workload.kind not in rule.workloads:
                raise PermissionDenied(reason="WORKLOAD_NOT_ALLOWED")
        if rule.kind == access.TENANT:
            self._prove_caller(call, call.workload, rule.scope)
            await self._require_standing(call)
        return await proceed()

    def workload(self, call: Call) -> Workload | None:
        """The SPIFFE id of the peer's certificate; None without one, or with one of another trust domain."""
        ids = tuple(call.context.auth_context().get(SAN, ()))
        if len(ids) != 1 or not ids[0].startswith(self._prefix):  # an ambiguous identity is none
            return None
        return Workload(self._trust_domain, ids[0][len(self._prefix) :].decode("ascii", "replace"))

    def _prove_caller(self, call: Call, workload: Workload | None, scope: str) -> None:
        tokens = [value for key, value in call.context.invocation_metadata() or () if key == METADATA_KEY]
        if len(tokens) != 1 or self._verifier is None or workload is None:
            raise Unauthenticated
        token = tokens[0]
        caller = self._verifier.verify(token if isinstance(token, str) else token.decode("ascii", "replace"))
        # A product backend may only use tokens that were minted for itself: a stolen one is worth nothing to another.
        if workload.kind == "backend" and caller.workload != workload.name:
            raise Unauthenticated
        if scope and scope not in caller.scopes:
            raise PermissionDenied(f"the scope {scope} is required", reason="SCOPE_MISSING")
        call.caller = caller
        call.token = str(token)

    async def _require_standing(self, call: Call) -> None:
        """Revoked since the token was minted? Auth's own questions carry no epochs: it has read them for itself."""
        caller, workload = call.caller, call.workload
        if caller is None or workload is None:
            raise Unauthenticated
        if self._guard is not None and not (workload.kind == caller.workload == AUTH):
            await self._guard.require_standing(caller, call.token)
