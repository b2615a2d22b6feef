"""The database's administrator against the trail: whatever he does to a whole chain is found, and named rightly.

He may write every table. What he does not have is the key of checkpoints, and the anchor.
"""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hauberk.audit.v1 import audit_service_pb2 as pb

from services.audit.flows.checkpoints import BrokenChainError
from services.audit.policy.checkpoint import Checkpoint, digest, parse
from services.audit.signatures import CheckpointSigner
from services.kit.key_kinds import signing_key
from services.kit.key_versions import VersionedSecret
from tests.contract.audit.house import House, event

SIZE = 24
EVE = "eve.adams-1977"
_TABLES = ("events", "heads", "checkpoints", "known")


async def signed_chain(house: House) -> str:
    """A chain with two checkpoints, both at the anchor, and events past them."""
    org = house.organisation()
    await house.fill(org, SIZE // 2)
    await house.sign(org)
    await house.fill(org, SIZE // 2)
    await house.sign(org)
    return org


async def found(house: House, org: str) -> tuple[str, int]:
    answer = await house.verify(org)
    assert answer.intact is not bool(answer.problem)
    return answer.problem, answer.first_bad_sequence


async def rewritten(house: House, org: str, position: int) -> bytes:
    """Makes a refusal an allow, and every hash from there on true again; the head's too. Returns the new last hash."""
    rows = await house.admin(
        "SELECT sequence, canonical, prev FROM audit.events WHERE org_id = %s AND sequence >= %s ORDER BY sequence",
        [org, position],
    )
    tip = bytes(rows[0][2])
    for sequence, canonical, _ in rows:
        body = bytes(canonical).replace(b'"mfa":""', b'"mfa":"otp"') if sequence == position else bytes(canonical)
        after = hashlib.sha256(tip + body).digest()
        await house.admin(
            "UPDATE audit.events SET canonical = %s, prev = %s, hash = %s WHERE org_id = %s AND sequence = %s",
            [body, tip, after, org, sequence],
        )
        tip = after
    await house.admin("UPDATE audit.heads SET hash = %s WHERE org_id = %s", [tip, org])
    return tip


async def test_an_untouched_chain_is_intact(house: House) -> None:
    org = await signed_chain(house)
    await house.fill(org, 3)  # not signed yet
    assert await found(house, org) == ("", 0)


async def test_a_chain_that_was_recomputed_is_not_the_one_that_was_signed(house: House) -> None:
    org = await signed_chain(house)
    await rewritten(house, org, 18)
    assert await found(house, org) == ("signature", SIZE)
    with pytest.raises(BrokenChainError, match="altered"):  # nothing that does not follow from it is signed any more
        await house.fill(org, 1)
        await house.checkpoints.sign(org)


async def test_recomputed_with_checkpoints_of_another_key(house: House) -> None:
    org = await signed_chain(house)
    tip = await rewritten(house, org, 18)

    class Own:
        def versions(self, _: str) -> Any:
            return [VersionedSecret("1", signing_key())]

    kept = await house.sealing.last_checkpoint(org)
    assert kept is not None
    forged = CheckpointSigner(Own()).sign(Checkpoint(org, SIZE, tip, parse(kept.statement).at_us).statement())
    await house.admin(
        "UPDATE audit.checkpoints SET hash = %s, statement = %s, signature = %s WHERE org_id = %s AND sequence = %s",
        [tip, forged.statement, forged.signature, org, SIZE],
    )
    assert await found(house, org) == ("signature", SIZE)


async def test_recomputed_and_every_checkpoint_removed(house: House) -> None:
    org = await signed_chain(house)
    await rewritten(house, org, 18)
    await house.admin("DELETE FROM audit.checkpoints WHERE org_id = %s", [org])
    assert await found(house, org) == ("anchor", SIZE)


async def test_a_checkpoint_removed_from_between(house: House) -> None:
    org = await signed_chain(house)
    await house.fill(org, 1)
    await house.sign(org)
    await house.admin("DELETE FROM audit.checkpoints WHERE org_id = %s AND sequence = %s", [org, SIZE])
    assert await found(house, org) == ("signature", SIZE + 1)


@pytest.mark.parametrize("thorough", [False, True])
async def test_a_tail_cut_off_with_its_head(house: House, *, thorough: bool) -> None:
    org = await signed_chain(house)
    await house.admin("DELETE FROM audit.events WHERE org_id = %s AND sequence > 20", [org])
    await house.admin(
        "UPDATE audit.heads h SET sequence = 20, hash = e.hash FROM audit.events e"
        " WHERE h.org_id = %s AND e.org_id = h.org_id AND e.sequence = 20",
        [org],
    )
    if thorough:  # then only the anchor knows
        await house.admin("DELETE FROM audit.checkpoints WHERE org_id = %s AND sequence > 20", [org])
    assert await found(house, org) == ("truncated", 21)


async def test_an_old_backup_put_back(house: House) -> None:
    org = await signed_chain(house)
    backup = {table: await house.admin(f"SELECT * FROM audit.{table} WHERE org_id = %s", [org]) for table in _TABLES}
    await house.fill(org, 20)
    await house.sign(org)
    for table, rows in backup.items():
        await house.admin(f"DELETE FROM audit.{table} WHERE org_id = %s", [org])
        for row in rows:
            places = ", ".join(["%s"] * len(row))
            await house.admin(f"INSERT INTO audit.{table} VALUES ({places})", row)
    assert await found(house, org) == ("truncated", SIZE + 1)
    await house.fill(org, 25)  # life goes on, and grows past what was there
    assert (await found(house, org))[0] == "anchor"
    with pytest.raises(BrokenChainError):
        await house.checkpoints.sign(org)


async def test_an_event_put_in_between(house: House) -> None:
    org = await signed_chain(house)
    await house.admin(
        "UPDATE audit.events SET sequence = sequence + 1000 WHERE org_id = %(org)s AND sequence >= 10", {"org": org}
    )
    await house.admin(
        "INSERT INTO audit.events SELECT org_id, 10, 'x/auth/Test/9', at, code, class, outcome, actor, trace_id,"
        " canonical, hash, sha256(hash || canonical), position, sealed_at"
        " FROM audit.events WHERE org_id = %(org)s AND sequence = 9",
        {"org": org},
    )
    await house.admin(
        "UPDATE audit.events SET sequence = sequence - 999 WHERE org_id = %(org)s AND sequence > 1000", {"org": org}
    )
    assert await found(house, org) == ("altered", 10)


async def test_a_long_chain_is_walked_in_pages(house: House) -> None:
    org = await signed_chain(house)
    whole = await house.verify(org)
    token, verified = "", []
    verifier = house.app.mounts[0].servicer._flows.verifier
    before, verifier._most = verifier._most, 10
    verifier._page, page = 5, verifier._page
    try:
        while True:
            answer = await house.stub().Verify(pb.VerifyRequest(page_token=token), metadata=house.bearer(org))
            assert answer.intact
            verified.append(answer.verified)
            token = answer.next_page_token
            if not token:
                break
        first = await house.stub().Verify(pb.VerifyRequest(), metadata=house.bearer(org))
        await house.admin(
            "UPDATE audit.events SET canonical = set_byte(canonical, 20, 33) WHERE org_id = %s AND sequence = 12", [org]
        )
        more = pb.VerifyRequest(page_token=first.next_page_token)
        answer = await house.stub().Verify(more, metadata=house.bearer(org))
        assert (answer.problem, answer.first_bad_sequence) == ("altered", 12)
    finally:
        verifier._most, verifier._page = before, page
    assert verified[:2] == [10, 20]
    assert verified[-1] == whole.verified + 1  # and the record of the walk before


async def test_who_was_erased_cannot_be_read_and_the_chain_holds(house: House) -> None:
    org = house.organisation()
    eve = [event(org, actor=EVE, client_address="192.0.2.7", user_agent="agent/7") for _ in range(3)]
    await house.append(*eve, event(org, actor="bob"))
    await house.sign(org)

    async def seen(**asked: Any) -> list[pb.Event]:
        page = await house.stub().Query(pb.QueryRequest(**asked), metadata=house.bearer(org))
        return [each for each in page.events if each.code == "auth.authenticate"]

    assert [each.client_address for each in await seen(actor=EVE)] == ["192.0.2.7"] * 3
    before, readable = await house.export(org), await house.export(org, form=pb.EXPORT_FORM_OCSF)
    assert EVE.encode() not in before
    assert b"192.0.2.7" not in before
    assert f'"uid":"{EVE}"'.encode() in readable
    erase = pb.EraseSubjectRequest(user=EVE)
    answer = await house.stub().EraseSubject(erase, metadata=house.bearer(org, ("audit.erase",)))
    assert answer.keys == 1
    assert (await house.verify(org)).intact
    shown = await seen()
    assert [(each.erased, each.client_address, each.user_agent) for each in shown[:3]] == [(True, "", "")] * 3
    assert len({each.actor for each in shown[:3]}) == 1  # still one and the same, nobody knows who
    assert (shown[3].actor, shown[3].erased) == ("bob", False)
    assert not await seen(actor=EVE)
    for secret in (EVE.encode(), b"192.0.2.7", b"agent/7"):
        assert secret not in await house.export(org, form=pb.EXPORT_FORM_OCSF)
        assert secret not in await house.export(org)
    assert await house.admin(
        "SELECT wrapped, tag FROM audit.subject_keys WHERE org_id = %s AND erased_at IS NOT NULL", [org]
    ) == [(None, None)]
    await house.append(event(org, actor=EVE))  # whoever comes again is somebody new
    assert [each.actor for each in await seen(actor=EVE)] == [EVE]
    assert (await house.verify(org)).intact


async def test_erasing_needs_its_scope_and_reaches_nobody_else(house: House) -> None:
    org, other = house.organisation(), house.organisation()
    await house.append(event(org, actor="eve"), event(other, actor="eve"))
    request = pb.EraseSubjectRequest(user="eve")
    with pytest.raises(Exception, match=r"audit\.erase"):
        await house.stub().EraseSubject(request, metadata=house.bearer(org))
    answer = await house.stub().EraseSubject(request, metadata=house.bearer(other, ("audit.erase",)))
    assert answer.keys == 1
    page = await house.stub().Query(pb.QueryRequest(actor="eve"), metadata=house.bearer(org))
    assert len(page.events) == 1
    answer = await house.stub().EraseSubject(request, metadata=house.bearer(other, ("audit.erase",)))
    assert answer.keys == 0


async def test_each_checkpoint_names_the_one_before(house: House) -> None:
    org = await signed_chain(house)
    rows = await house.sealing.rows("SELECT statement FROM audit.checkpoints_of(%s, 0, 9) ORDER BY sequence", [org])
    first, second = (bytes(row[0]) for row in rows)
    assert parse(second).previous == digest(first)
    assert (parse(first).sequence, parse(second).sequence) == (SIZE // 2, SIZE)
