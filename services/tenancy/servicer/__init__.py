"""TenancyService over gRPC: translates messages, decides nothing. One module for each area of the contract."""

from __future__ import annotations

from hauberk.tenancy.v1 import tenancy_service_pb2_grpc as stubs

from services.tenancy.servicer.conversations import Conversations
from services.tenancy.servicer.core import Core
from services.tenancy.servicer.decisions import Decisions
from services.tenancy.servicer.directory import Directory
from services.tenancy.servicer.invitations import Invitations
from services.tenancy.servicer.knowledge import Knowledge
from services.tenancy.servicer.lifecycle import Lifecycle
from services.tenancy.servicer.policies import Policies
from services.tenancy.servicer.resources import Resources

__all__ = ["Core", "TenancyServicer"]


class TenancyServicer(
    Decisions,
    Policies,
    Resources,
    Knowledge,
    Conversations,
    Lifecycle,
    Directory,
    Invitations,
    stubs.TenancyServiceServicer,
):
    """The methods that this version serves; the boundary answers UNIMPLEMENTED for the others."""

    def __init__(self, core: Core) -> None:
        self._core = core
