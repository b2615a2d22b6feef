"""What the parts of the servicer hand over to."""

from __future__ import annotations

from dataclasses import dataclass

from services.auth.flows.abuse_reports import AbuseReports
from services.auth.flows.admissions import Admissions
from services.auth.flows.asking import Asking
from services.auth.flows.authenticate import Authenticator
from services.auth.flows.challenges import Challenges
from services.auth.flows.containment import Containment
from services.auth.flows.edge import Edges
from services.auth.flows.feed import Following
from services.auth.flows.key_leaks import LeakReports
from services.auth.flows.key_management import KeyManagement
from services.auth.flows.key_notices import KeyChoices
from services.auth.flows.passes import Passes
from services.auth.flows.revocation import Revocation
from services.auth.flows.sessions import Sessions
from services.auth.ports import Signer


@dataclass(frozen=True, slots=True)
class EdgeFlows:
    """What browsers meet first."""

    edges: Edges
    challenges: Challenges
    passes: Passes
    asking: Asking


@dataclass(frozen=True, slots=True)
class Flows:
    """Everything that auth does, one field each."""

    authenticator: Authenticator
    admissions: Admissions
    keys: KeyManagement
    leaks: LeakReports
    key_choices: KeyChoices
    revocation: Revocation
    signer: Signer
    sessions: Sessions
    following: Following
    edge: EdgeFlows
    reports: AbuseReports
    containment: Containment


class Part:
    """One area of the contract; `AuthServicer` is made of all of them."""

    _flows: Flows
