"""Opens admissions, and goes on with them."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass

from services.auth.flows.epochs import EpochBook
from services.auth.flows.minting import Minted, Minter
from services.auth.policy import admissions, epochs
from services.auth.policy.admissions import Admission
from services.auth.policy.causes import Cause
from services.auth.ports import AdmissionStore
from services.kit.caller import Caller
from services.kit.clock import Clock
from services.kit.epochs import grounds_of
from services.kit.logs import logger


@dataclass(frozen=True, slots=True)
class Continued:
    """The decision; `minted` and `admission` are there exactly when the cause is NONE."""

    cause: Cause
    minted: Minted | None = None
    admission: Admission | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """What goes with an admission and comes back with it; never looked at here."""

    input_tokens: int = 0
    model: str = ""
    output_tokens: int = 0
    prompt_prints: bytes = b""
    taint: bytes = b""


NOTHING_GIVEN = Given()


class Admissions:
    """Keeps what was admitted; a handle is good for one workload, until its reservation ends or somebody is revoked."""

    def __init__(self, store: AdmissionStore, book: EpochBook, minter: Minter, clock: Clock) -> None:
        self._store = store
        self._book = book
        self._minter = minter
        self._clock = clock

    async def open(
        self,
        caller: Caller,
        *,
        holder: str,
        conversation: str,
        reservation: str,
        seconds: float,
        given: Given = NOTHING_GIVEN,
    ) -> tuple[str, float]:
        """The handle and the end of its life. Raises Unavailable."""
        handle = admissions.handle(secrets.token_bytes(admissions.HANDLE_BYTES))
        expires_at = self._clock.now() + seconds
        admission = Admission(
            holder=holder,
            organisation=caller.organisation,
            subject=caller.subject,
            brand=caller.brand,
            credential_id=caller.credential_id,
            session_id=caller.session_id,
            token_id=caller.token_id,
            scopes=tuple(sorted(caller.scopes)),
            epochs=caller.epochs,
            txn=caller.txn,
            plan=caller.plan,
            zone=caller.zone,
            account_created=caller.account_created,
            actor=caller.actor,
            authentication=caller.authentication,
            limits=caller.limits,
            conversation=conversation,
            reservation=reservation,
            expires_at=expires_at,
            input_tokens=given.input_tokens,
            model=given.model,
            output_tokens=given.output_tokens,
            prompt_prints=base64.b64encode(given.prompt_prints).decode("ascii"),
            taint=base64.b64encode(given.taint).decode("ascii"),
        )
        await self._store.put(admissions.digest(handle), admission, seconds)
        return handle, expires_at

    async def go_on(self, handle: str, presented_by: str) -> Continued:
        """A fresh token of the same transaction. Raises Unavailable when store or epochs cannot be asked."""
        admission = await self._store.get(admissions.digest(handle)) if admissions.well_formed(handle) else None
        cause = admissions.decide_holder(admission, presented_by, self._clock.now())
        if admission is None or cause is not Cause.NONE:
            return _refused(cause, presented_by)
        caller = _caller(admission)
        grounds = grounds_of(caller)
        marks = await self._book.read_grounds(admission.organisation, grounds)
        if epochs.snapshot(marks, grounds) != admission.epochs:
            return _refused(Cause.EPOCH_OVERTAKEN, presented_by)
        if epochs.held(marks):
            return _refused(Cause.HELD, presented_by)
        return Continued(Cause.NONE, self._minter.mint(caller), admission)


def _caller(admission: Admission) -> Caller:
    return Caller(
        organisation=admission.organisation,
        subject=admission.subject,
        brand=admission.brand,
        txn=admission.txn,
        workload=admission.holder,
        org_mac="",
        expires_at=0,
        credential_id=admission.credential_id,
        session_id=admission.session_id,
        token_id=admission.token_id,
        scopes=frozenset(admission.scopes),
        epochs=admission.epochs,
        plan=admission.plan,
        zone=admission.zone,
        account_created=admission.account_created,
        actor=admission.actor,
        authentication=admission.authentication,
        limits=admission.limits,
    )


def _refused(cause: Cause, workload: str) -> Continued:
    logger().info("auth.admission_refused", cause=cause.value, workload=workload)
    return Continued(cause)
