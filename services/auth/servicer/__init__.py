"""Translates between the contract and the flows; decides nothing. One module for each area of the contract."""

from __future__ import annotations

from hauberk.auth.v1 import auth_service_pb2_grpc as rpc

from services.auth.servicer.api_keys import ApiKeys, KeyDecisions
from services.auth.servicer.challenges import Challenges
from services.auth.servicer.containment import Containing
from services.auth.servicer.credentials import Credentials
from services.auth.servicer.edge import Edge
from services.auth.servicer.flows import Flows
from services.auth.servicer.revocations import Revocations
from services.auth.servicer.sessions import SessionParts

__all__ = ["AuthServicer", "Flows"]


class AuthServicer(
    Credentials, ApiKeys, KeyDecisions, Revocations, SessionParts, Challenges, Edge, Containing, rpc.AuthServiceServicer
):
    """What is not overridden here is not served yet: the boundary answers UNIMPLEMENTED."""

    def __init__(self, flows: Flows) -> None:
        self._flows = flows
