"""What the parts of the servicer hand over to."""

from __future__ import annotations

from dataclasses import dataclass

from services.auth.flows.admissions import Admissions
from services.auth.flows.authenticate import Authenticator
from services.auth.flows.key_management import KeyManagement
from services.auth.flows.revocation import Revocation
from services.auth.ports import Signer


@dataclass(frozen=True, slots=True)
class Flows:
    """Everything that auth does, one field each."""

    authenticator: Authenticator
    admissions: Admissions
    keys: KeyManagement
    revocation: Revocation
    signer: Signer


class Part:
    """One area of the contract; `AuthServicer` is made of all of them."""

    _flows: Flows
