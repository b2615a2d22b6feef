"""What the parts of the servicer hand over to."""

from __future__ import annotations

from dataclasses import dataclass

from services.kit.clock import Clock
from services.tenancy.conversations import Conversations
from services.tenancy.directory import Directory
from services.tenancy.invitations import Invitations
from services.tenancy.judging import Judge
from services.tenancy.knowledge import Knowledge
from services.tenancy.own_settings import OwnSettings
from services.tenancy.policy_admin import PolicyAdmin
from services.tenancy.policysets import PolicySets
from services.tenancy.ports import FactsReader, Lifecycle, TenancyStore
from services.tenancy.resources import Resources
from services.tenancy.trials import Trials
from services.tenancy.turns import Turns


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
