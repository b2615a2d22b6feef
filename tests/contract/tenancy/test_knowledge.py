"""Documents on a real PostgreSQL with pgvector: sealed, searched under the caller's permissions, assembled."""

from __future__ import annotations

import math
import random
from typing import Any

import psycopg
import pytest
from hauberk.common.v1 import decision_pb2 as common
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

from services.kit.caller import Caller
from services.kit.errors import InvalidArgument, PermissionDenied, Unavailable
from services.kit.keys import CONTENT_KEK, VersionedSecret
from services.kit.postgres import Database
from services.tenancy.adapters.content_keys import ContentKeys
from tests.contract.tenancy.house import SCOPES, House

ALL = SCOPES | {"resources.write"}
TEXTS = {
    "refunds": "Refunds are paid within five days after the goods came back.",
    "shipping": "Shipping to islands takes two weeks and costs more.",
    "salaries": "Salaries are reviewed every spring by the board.",
}


async def put(house: House, caller: Caller, name: str, text: str = "", **more: Any) -> pb.PutDocumentResponse:
    answer = await house.call("PutDocument", caller, pb.PutDocumentRequest(document=name, text=text, **more))
    assert isinstance(answer, pb.PutDocumentResponse)
    return answer


async def search(house: House, caller: Caller, text: str = "", limit: int = 10, **more: Any) -> list[str]:
    answer = await house.call("SearchKnowledge", caller, pb.SearchKnowledgeRequest(text=text, limit=limit, **more))
    return [part.document for part in answer.parts]


async def filled(house: House) -> tuple[str, Caller]:
    org = await house.organisation()
    admin = house.caller(org, scopes=ALL)
    for name, text in TEXTS.items():
        await put(house, admin, name, text, title=f"About {name}", labels=["restricted"] if name == "salaries" else [])
    return org, admin


async def test_texts_are_found_and_replaced(house: House) -> None:
    _org, admin = await filled(house)
    assert (await search(house, admin, "when are refunds paid"))[0] == "refunds"
    again = await put(house, admin, "refunds", "Nothing is paid back.", title="New")
    assert (again.chunks, again.replaced) == (1, True)
    answer = await house.call("SearchKnowledge", admin, pb.SearchKnowledgeRequest(text="nothing paid back", limit=1))
    (part,) = answer.parts
    assert (part.document, part.text, part.title, part.chunk) == ("refunds", "Nothing is paid back.", "New", 0)
    assert (part.source, answer.outcome) == (common.SOURCE_RETRIEVED, common.OUTCOME_ALLOW)
    gone = await house.call("DeleteDocument", admin, pb.DeleteDocumentRequest(document="refunds"))
    assert gone.existed
    assert "refunds" not in await search(house, admin, "refunds")
    assert not (await house.call("DeleteDocument", admin, pb.DeleteDocumentRequest(document="refunds"))).existed


async def test_what_is_found_is_what_may_be_read(house: House) -> None:
    org, admin = await filled(house)
    await house.call("PutBrand", admin, pb.PutBrandRequest(brand=pb.Brand(brand="club")))
    await put(house, admin, "club-rules", "Refunds of the club are paid never.", brand="club")
    await put(house, admin, "diary", "Refunds make me sad.", owner="bob", labels=["private"])
    bob = await house.member(org, "bob", "member", brands=("shop",))
    assert set(await search(house, bob, "refunds paid salaries")) == {"refunds", "shipping", "diary"}
    assert set(await search(house, admin, "refunds paid salaries")) == {"refunds", "shipping", "salaries", "club-rules"}
    assert set(await search(house, admin, "refunds", brand="club")) == {"club-rules"}
    assert set(await search(house, admin, "refunds", labels=["restricted"])) == {"salaries"}
    stranger = house.caller(org, "eve")
    refused = await house.call("SearchKnowledge", stranger, pb.SearchKnowledgeRequest(text="refunds", limit=5))
    assert (refused.outcome, list(refused.parts)) == (common.OUTCOME_DENY, [])
    for found in await search(house, bob, "refunds paid salaries"):
        answer = await house.ask(bob, "document.read", "Document", found)
        assert answer.outcome == common.OUTCOME_ALLOW


async def test_labels_put_later_count_at_once(house: House) -> None:
    org, admin = await filled(house)
    bob = await house.member(org, "bob", "member")
    assert "shipping" in await search(house, bob, "shipping")
    facts = pb.ResourceFacts(resource=pb.Resource(type="Document", id="shipping"), labels=["restricted"])
    await house.call("PutResources", admin, pb.PutResourcesRequest(facts=[facts]))
    assert "shipping" not in await search(house, bob, "shipping")
    assert "shipping" in await search(house, admin, "shipping")


async def test_two_organisations_with_the_same_ids_and_vectors(house: House) -> None:
    one, two = await house.organisation(), await house.organisation()
    vector = [1.0, 0.0, 0.5]
    for org, word in ((one, "ours"), (two, "theirs")):
        await put(house, house.caller(org, scopes=ALL), "d1", f"{word} d1", embedding=vector)
        await put(house, house.caller(org, scopes=ALL), f"only-{word}", f"{word} too", embedding=vector)
    ask = pb.SearchKnowledgeRequest(embedding=vector, limit=200)
    found = await house.call("SearchKnowledge", house.caller(one), ask)
    assert {part.text for part in found.parts} == {"ours d1", "ours too"}
    assert not (await house.call("DeleteDocument", house.caller(one, scopes=ALL),
                                 pb.DeleteDocumentRequest(document="only-theirs"))).existed  # fmt: skip
    assert len((await house.call("SearchKnowledge", house.caller(two), ask)).parts) == 2


async def test_nothing_readable_is_stored(house: House) -> None:
    org, _ = await filled(house)
    with psycopg.connect(house.stores.admin_dsn) as connection:
        rows = connection.execute(
            "SELECT c.sealed, d.title, k.wrapped FROM tenancy.chunks c"
            " JOIN tenancy.documents d USING (org_id, document_id)"
            " JOIN tenancy.content_keys k USING (org_id, key_id) WHERE c.org_id = %s",
            [org],
        ).fetchall()
    assert len(rows) == 3
    for row in rows:
        for value in row:
            assert b"Refund" not in bytes(value)
            assert b"About" not in bytes(value)


@pytest.mark.parametrize("how", ["moved", "altered"])
async def test_what_was_altered_in_the_store_is_not_shown(house: House, how: str) -> None:
    org, admin = await filled(house)
    statement = {
        "moved": "UPDATE tenancy.chunks SET sealed = (SELECT sealed FROM tenancy.chunks WHERE org_id = %(o)s AND"
        " document_id = 'salaries') WHERE org_id = %(o)s AND document_id = 'refunds'",
        "altered": "UPDATE tenancy.chunks SET sealed = set_byte(sealed, 14, get_byte(sealed, 14) # 1)"
        " WHERE org_id = %(o)s AND document_id = 'refunds'",
    }[how]
    with psycopg.connect(house.stores.admin_dsn) as connection:
        assert connection.execute(statement.encode(), {"o": org}).rowcount == 1
    assert set(await search(house, admin, "refunds")) == {"shipping", "salaries"}


async def test_contexts_fit_their_budget(house: House) -> None:
    _org, admin = await filled(house)
    await put(house, admin, "copy", TEXTS["refunds"])
    ask = pb.AssembleContextRequest(text="refunds paid", token_budget=1000)
    whole = await house.call("AssembleContext", admin, ask)
    texts = [part.text for part in whole.parts]
    assert len(texts) == len(set(texts)) == 3
    assert whole.tokens == sum(part.tokens for part in whole.parts)
    assert [part.score for part in whole.parts] == sorted((part.score for part in whole.parts), reverse=True)
    assert {part.source for part in whole.parts} == {common.SOURCE_RETRIEVED}
    ask.token_budget = whole.parts[0].tokens
    small = await house.call("AssembleContext", admin, ask)
    assert (len(small.parts), small.tokens <= ask.token_budget, small.left_out) == (1, True, 2)
    ask.token_budget = 1
    assert not (await house.call("AssembleContext", admin, ask)).parts


async def test_one_kind_of_vector_per_organisation(house: House) -> None:
    org = await house.organisation()
    admin = house.caller(org, scopes=ALL)
    await put(house, admin, "d1", "first", embedding=[0.1, 0.2])
    for wrong in ({"embedding": [0.1, 0.2, 0.3]}, {}):
        with pytest.raises(InvalidArgument) as caught:
            await put(house, admin, "d2", "second", **wrong)
        assert "2 numbers" in caught.value.violations[0].rule
    for bad in ([0.0, 0.0], [1e30, 1e30], [math.inf, 1.0]):
        with pytest.raises(InvalidArgument):
            await put(house, admin, "d2", "second", embedding=bad)
    with pytest.raises(InvalidArgument):
        await search(house, admin, "by text")
    with pytest.raises(InvalidArgument):
        await search(house, admin, "", embedding=[1.0, 2.0, 3.0])
    with pytest.raises(InvalidArgument):
        await search(house, admin, "both", embedding=[1.0, 2.0])
    assert await search(house, admin, "", embedding=[1.0, 2.0]) == ["d1"]
    assert (await house.call("DeleteDocument", admin, pb.DeleteDocumentRequest(document="d1"))).existed
    assert (await put(house, admin, "d2", "now by text")).chunks == 1


async def test_who_may_put(house: House) -> None:
    org, admin = await filled(house)
    bob = await house.member(org, "bob", "member")
    with pytest.raises(PermissionDenied):
        await put(house, house.caller(org, bob.subject, ALL), "x", "text")
    with pytest.raises(PermissionDenied):
        await put(house, house.caller(org, scopes=frozenset()), "x", "text")
    with pytest.raises(InvalidArgument):
        await put(house, admin, "x")
    with pytest.raises((InvalidArgument, PermissionDenied)):
        await put(house, admin, "x", "text", brand="nobrand")
    assert "x" not in await search(house, admin, "text")


async def test_there_are_always_as_many_as_exist(house: House) -> None:
    draw = random.Random(7)
    org, other = await house.organisation(), await house.organisation()
    for name, count in ((org, 23), (other, 40)):
        admin = house.caller(name, scopes=ALL)
        chunks = [pb.DocumentChunk(text=f"{n}", embedding=[draw.gauss(0, 1) for _ in range(384)]) for n in range(count)]
        await put(house, admin, "many", chunks=chunks)
    ask = [draw.gauss(0, 1) for _ in range(384)]
    for limit in (1, 10, 23, 200):
        assert len(await search(house, house.caller(org), "", limit, embedding=ask)) == min(limit, 23)


class Ring:
    """A key port whose versions a test changes."""

    def __init__(self, *kids: str) -> None:
        self.kids = kids

    def versions(self, name: str) -> list[VersionedSecret]:
        assert name == CONTENT_KEK
        return [VersionedSecret(kid, kid.encode() * 32) for kid in self.kids]


async def test_keys_of_content_are_wrapped_anew(house: House) -> None:
    org = await house.organisation()
    caller = house.caller(org)
    database = Database(house.stores.service_dsn("tenancy"))
    await database.open()
    try:
        async with database.tenant(caller) as connection:
            sealed = (await ContentKeys(Ring("1")).to_seal(connection, caller)).seal("kept", "here")
            again = await ContentKeys(Ring("2", "1")).to_seal(connection, caller)
            assert again.open(sealed, "here") == "kept"
            newest = (await ContentKeys(Ring("2")).to_open(connection, caller, [1]))[1]
            assert newest.open(sealed, "here") == "kept"
            assert newest.open(sealed, "there") is None
            for lost in (Ring("1"), Ring("3")):
                with pytest.raises(Unavailable):
                    await ContentKeys(lost).to_open(connection, caller, [1])
    finally:
        await database.close()
