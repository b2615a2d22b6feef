"""Takes one boundary out of a stack. Only a test's hand can: each function replaces code, no setting does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any
from unittest.mock import patch

import jwt
from hauberk.common.v1 import decision_pb2 as common
from hauberk.guardrail.v1 import guardrail_service_pb2 as guardrail
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy

from services.guardrail.servicer import GuardrailServicer
from services.kit import server
from services.kit.access import TENANT
from services.kit.call import Call, Layer, Proceed
from services.kit.caller import Workload
from services.kit.errors import Unauthenticated
from services.kit.identity import SAN, Identity
from services.kit.postgres import Connection, Database, Proven
from services.kit.txn_token import METADATA_KEY, caller_of
from services.tenancy.servicer import TenancyServicer


class _Nothing:
    """Stands where a layer was."""

    def __init__(self, name: str, after: tuple[str, ...]) -> None:
        self.name, self.after = name, after

    async def __call__(self, call: Call, proceed: Proceed) -> Any:
        return await proceed()


class Gullible(Identity):
    """Believes whatever the metadata says: no matrix, no signature, no binding to a workload."""

    async def __call__(self, call: Call, proceed: Proceed) -> Any:
        ids = tuple(call.context.auth_context().get(SAN, ()))
        name = ids[0].decode().partition("//")[2].partition("/")[2] if ids else "gateway"
        call.workload = Workload(self._trust_domain, name)
        if call.access is not None and call.access.kind == TENANT:
            tokens = [value for key, value in call.context.invocation_metadata() or () if key == METADATA_KEY]
            if not tokens:
                raise Unauthenticated
            call.caller = caller_of(jwt.decode(tokens[0], options={"verify_signature": False}))
            call.token = str(tokens[0])
        return await proceed()


def _layers(change: Any) -> AbstractContextManager[Any]:
    genuine = server.layers_of

    def layers_of(*args: Any, **more: Any) -> list[Layer]:
        return [change(layer) for layer in genuine(*args, **more)]

    return patch.object(server, "layers_of", layers_of)


def without_contract() -> list[AbstractContextManager[Any]]:
    """No rule of the contract is checked, at the gateway or at any service."""
    return [_layers(lambda layer: _Nothing(layer.name, layer.after) if layer.name == "validation" else layer)]


def without_service_checks() -> list[AbstractContextManager[Any]]:
    """Any caller is believed, by every service, and every permission is given."""

    def gullible(layer: Layer) -> Layer:
        return Gullible(layer._verifier, layer._trust_domain) if isinstance(layer, Identity) else layer

    yes = tenancy.AuthorizeResponse(outcome=common.OUTCOME_ALLOW, reason=common.REASON_NONE)

    async def authorize(self: Any, request: Any, context: Any) -> tenancy.AuthorizeResponse:
        return yes

    async def authorize_batch(self: Any, request: Any, context: Any) -> tenancy.AuthorizeBatchResponse:
        return tenancy.AuthorizeBatchResponse(answers=[yes] * len(request.questions))

    return [
        _layers(gullible),
        patch.object(TenancyServicer, "Authorize", authorize),
        patch.object(TenancyServicer, "AuthorizeBatch", authorize_batch),
    ]


def without_tenant() -> list[AbstractContextManager[Any]]:
    """No connection is ever told whose rows it may see."""

    @asynccontextmanager
    async def tenant(self: Database, caller: Proven) -> AsyncIterator[Connection]:
        async with self.anonymous() as connection:
            yield connection

    return [patch.object(Database, "tenant", tenant)]


def without_guardrail() -> list[AbstractContextManager[Any]]:
    """Nothing that goes in or comes out is looked at."""

    async def inspect_input(self: Any, request: Any, context: Any) -> guardrail.InspectInputResponse:
        return guardrail.InspectInputResponse(outcome=common.OUTCOME_ALLOW, reason=common.REASON_NONE)

    async def inspect_output(self: Any, request: Any, context: Any) -> guardrail.InspectOutputResponse:
        return guardrail.InspectOutputResponse(
            outcome=common.OUTCOME_ALLOW, reason=common.REASON_NONE, text=request.text
        )

    return [
        patch.object(GuardrailServicer, "InspectInput", inspect_input),
        patch.object(GuardrailServicer, "InspectOutput", inspect_output),
    ]
