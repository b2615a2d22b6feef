"""Admit for a request that ext_authz let in: who asks stands in the token that it handed on, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.common.v1 import decision_pb2 as decision
from hauberk.envoy.core.v3 import base_pb2 as core
from hauberk.gateway.v1 import gateway_service_pb2 as pb

from gateway.admit import NOTHING_AGAINST, Admit, Work
from gateway.edge.authz_answers import METADATA, TOKEN
from gateway.edge.openai.asked import Asked
from gateway.pipeline import DENY, Result
from services.kit.caller import Caller
from services.kit.errors import Unauthenticated
from services.kit.txn_token import TokenVerifier


def token_of(metadata: core.Metadata) -> str:
    """The token that ext_authz left for later filters; empty when it did not run or does not hand on."""
    value = metadata.filter_metadata[METADATA].fields[TOKEN] if METADATA in metadata.filter_metadata else None
    return value.string_value if value is not None else ""


@dataclass(slots=True)
class ProvenWork(Work):
    """One request with its caller; None = the token was not accepted."""

    caller: Caller | None = None


class Prover:
    """Verifies the token, and that it was minted for the Envoy that shows it."""

    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier

    def work(self, token: str, holder: str, request: pb.AdmitRequest) -> ProvenWork:
        """The work of a request; raises Unavailable while no key is known."""
        try:
            caller = self._verifier.verify(token)
        except Unauthenticated:
            caller = None
        if caller is None or caller.workload != holder:
            return ProvenWork(request, holder)
        # Placeholders live as long as this one request: the client sends the whole conversation each time.
        request.conversation = f"openai-{caller.txn}"
        return ProvenWork(request, holder, txn=caller.txn, token=token, brand=caller.brand, caller=caller)


class ProvenAdmit(Admit):
    """The chain of Admit behind ext_authz: the address was counted and the credential looked at there."""

    async def _address(self, work: Work) -> Result:  # noqa: ARG002 - a stage like any other
        return NOTHING_AGAINST

    async def _authenticate(self, work: Work) -> Result:
        caller = work.caller if isinstance(work, ProvenWork) else None
        if caller is None:
            return Result(DENY, decision.REASON_CREDENTIAL_NOT_ACCEPTED)
        work.principal = auth.Principal(
            organisation=caller.organisation,
            brand=caller.brand,
            subject=caller.subject,
            plan=caller.plan,
            scopes=sorted(caller.scopes),
        )
        return NOTHING_AGAINST


def question(asked: Asked, default_output_tokens: int, locale: str) -> pb.AdmitRequest:
    """The request in the words of Admit."""
    request = pb.AdmitRequest(locale=locale)
    request.estimate.model = asked.model
    request.estimate.output_tokens = (asked.stated or default_output_tokens) * asked.choices
    for text in asked.texts:
        request.messages.add(role=text.role, source=text.source, text=text.value, media_type=text.media_type)
    return request
