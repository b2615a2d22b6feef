"""AuthZEN's questions, defaults and semantics, before anybody is asked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.authzen import MOST, Batch, Question, Words, WrongRequest, batch_of, question_of, shortened

ALICE: dict[str, Any] = {"type": "user", "id": "alice"}
READ: dict[str, Any] = {"name": "read"}
RECORD: dict[str, Any] = {"type": "record", "id": "record-1"}
WHOLE: dict[str, Any] = {"subject": ALICE, "action": READ, "resource": RECORD}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def batch(data: dict[str, Any]) -> Batch:
    found = batch_of(data)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("change", "member"),
    [
        ({"subject": None}, "subject"),
        ({"action": None}, "action"),
        ({"resource": None}, "resource"),
        ({"subject": "alice"}, "subject"),
        ({"subject": {"id": "alice"}}, "subject.type"),
        ({"subject": {"type": "user"}}, "subject.id"),
        ({"subject": {"type": "user", "id": ""}}, "subject.id"),
        ({"action": {}}, "action.name"),
        ({"action": {"name": 123}}, "action.name"),
        ({"resource": {"id": "x"}}, "resource.type"),
        ({"resource": {"type": "x"}}, "resource.id"),
        ({"resource": []}, "resource"),
        ({"resource": {**RECORD, "properties": []}}, "resource.properties"),
        ({"context": "x"}, "context"),
    ],
)
def test_what_is_required_is_named(change: dict[str, Any], member: str) -> None:
    with pytest.raises(WrongRequest) as refused:
        question_of({**WHOLE, **change})
    assert refused.value.member == member


def test_unknown_members_are_ignored() -> None:
    assert question_of({**WHOLE, "foo": "bar", "futureField": {"nested": True}}) == question_of(WHOLE)


@given(st.dictionaries(st.sampled_from([*WHOLE, "context", "evaluations", "options"]), JSON, max_size=6))
def test_any_json_is_a_question_or_wrong(data: dict[str, Any]) -> None:
    for read in (question_of, batch_of):
        try:
            read({**WHOLE, **data})
        except WrongRequest as error:
            assert error.member


def test_an_entity_replaces_the_default_as_a_whole() -> None:
    defaults = {**WHOLE, "action": {"name": "delete", "properties": {"soft": True}}}
    (question,) = batch({**defaults, "evaluations": [{"action": {"name": "delete"}}]}).questions
    assert isinstance(question, Question)
    assert question.action_properties == {}


def test_only_what_makes_it_an_entity_is_taken_over() -> None:
    data = {
        **WHOLE,
        "resource": {"type": "record"},
        "evaluations": [{"resource": {"id": "record-2"}}, {"resource": {}}],
    }
    first, second = batch(data).questions
    assert isinstance(first, Question)
    assert first.resource == ("record", "record-2")
    assert isinstance(second, WrongRequest)
    assert second.member == "evaluations[1].resource.id"


@pytest.mark.parametrize("item", [None, 1, "x", [], {"subject": None}, {"subject": "alice"}, {"action": {"name": 1}}])
def test_one_that_cannot_be_read_does_not_spoil_the_others(item: Any) -> None:
    good, bad = batch({**WHOLE, "evaluations": [{}, item]}).questions
    assert isinstance(good, Question)
    assert isinstance(bad, WrongRequest)


@pytest.mark.parametrize(
    "change",
    [
        {"evaluations": {}},
        {"evaluations": [{}] * (MOST + 1)},
        {"options": []},
        {"options": {"evaluations_semantic": "any"}},
        {"options": {"evaluations_semantic": ["execute_all"]}},
    ],
)
def test_a_batch_that_cannot_be_read_is_refused_whole(change: dict[str, Any]) -> None:
    with pytest.raises(WrongRequest):
        batch_of({**WHOLE, "evaluations": [{}], **change})


def test_without_a_list_it_is_one_question() -> None:
    assert batch_of(WHOLE) is None
    assert batch_of({**WHOLE, "evaluations": []}) is None


@pytest.mark.parametrize(
    ("semantic", "expected"),
    [("execute_all", "TFTF"), ("deny_on_first_deny", "TF"), ("permit_on_first_permit", "T")],
)
def test_the_semantic_says_where_it_ends(semantic: str, expected: str) -> None:
    found = batch({**WHOLE, "evaluations": [{}] * 4, "options": {"evaluations_semantic": semantic}})
    answers = [{"decision": letter == "T"} for letter in "TFTF"]
    assert "".join("T" if one["decision"] else "F" for one in shortened(answers, found.ends_at)) == expected


@pytest.mark.parametrize(
    ("action", "kind", "name"),
    [
        ("read it", "Record", "x"),
        ("Read", "Record", "x"),
        ("read", "re cord", "x"),
        ("read", "Record", "a b"),
        ("read", "Record", "../x y"),
        ("a" * 65, "Record", "x"),
        ("read", "Record", "x" * 257),
        ("read\n", "Record", "x"),
    ],
)
def test_what_no_policy_can_speak_of_is_not_asked(action: str, kind: str, name: str) -> None:
    assert Words().translated(Question(("user", "a"), action, (kind, name))) is None


def test_words_of_the_client_become_words_of_the_policies() -> None:
    words = Words({"record": "Document"}, {"read": "document.read", "delete?soft=true": "knowledge.write"})
    soft = Question(("user", "a"), "delete", ("record", "x"), {"soft": True})
    hard = Question(("user", "a"), "delete", ("record", "x"), {"soft": False})
    assert words.translated(soft) == ("knowledge.write", "Document", "x")
    assert words.translated(hard) == ("delete", "Document", "x")
