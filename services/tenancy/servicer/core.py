"""What the parts of the servicer hand over to."""

from __future__ import annotations

from dataclasses import dataclass

from services.kit.clock import Clock
from services.tenancy.flows.conversations import Conversations
from services.tenancy.flows.directory import Directory
from services.tenancy.flows.invitations import Invitations
from services.tenancy.flows.judging import Judge
from services.tenancy.flows.knowledge import Knowledge
from services.tenancy.flows.own_settings import OwnSettings
from services.tenancy.flows.policy_admin import PolicyAdmin
from services.tenancy.flows.policysets import PolicySets
from services.tenancy.flows.resources import Resources
from services.tenancy.flows.trials import Trials
from services.tenancy.flows.turns import Turns
from services.tenancy.ports import FactsReader, Lifecycle, TenancyStore


@dataclass(frozen=True, slots=True)
class Core:
    """Everything that tenancy does, one field each."""

    policies: PolicySets
    policy_admin: PolicyAdmin
    trials: Trials
    turns: Turns
    clock: Clock
    remembered: FactsReader
    store: TenancyStore
    lifecycle: Lifecycle
    directory: Directory
    own_settings: OwnSettings
    invitations: Invitations
    plans: frozenset[str]
    judge: Judge
    resources: Resources
    knowledge: Knowledge
    conversations: Conversations


class Part:
    """One area of the contract; `TenancyServicer` is made of all of them."""

    _core: Core
