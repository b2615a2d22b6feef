"""Policies that an organisation writes for itself: accepted or refused whole, in force at once, and nobody else's."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hauberk.common.v1 import decision_pb2 as common
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

from services.kit.caller import Authentication, Caller
from services.kit.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from tests.contract.tenancy.house import SCOPES, House
from tests.support.waiting import eventually

MANAGE = frozenset({*SCOPES, "policies.manage", "decisions.explain"})
FREEZE = '@id("freeze") forbid (principal, action == Action::"chat.send", resource);'


def owner(house: House, org: str) -> Caller:
    return house.caller(org, scopes=MANAGE)


async def put(house: House, org: str, text: str, use: int = pb.POLICY_USE_ENFORCE, etag: str = "") -> pb.PolicyVersion:
    request = pb.PutPolicySetRequest(policies=text, use=use, etag=etag)  # type: ignore[arg-type]
    return (await house.call("PutPolicySet", owner(house, org), request)).version  # type: ignore[no-any-return]


async def use(house: House, org: str, version: int, what: int = pb.POLICY_USE_ENFORCE) -> None:
    request = pb.ActivatePolicyVersionRequest(version=version, use=what)  # type: ignore[arg-type]
    await house.call("ActivatePolicyVersion", owner(house, org), request)


async def chat(house: House, caller: Caller) -> pb.AuthorizeResponse:
    return await house.ask(caller, "chat.send", "Brand", "shop")


async def test_versions_are_written_listed_put_in_force_and_deleted(house: House) -> None:
    org = await house.organisation()
    caller = owner(house, org)
    plain = (await chat(house, caller)).policy_version
    assert (await put(house, org, FREEZE)).use == pb.POLICY_USE_ENFORCE
    frozen = await chat(house, caller)
    assert (frozen.outcome, list(frozen.policies)) == (common.OUTCOME_DENY, ["freeze"])
    assert frozen.policy_version == f"{plain}.1"
    assert (await put(house, org, "// nothing", pb.POLICY_USE_UNSPECIFIED)).version == 2
    assert (await chat(house, caller)).outcome == common.OUTCOME_DENY
    await use(house, org, 2)
    assert ((await chat(house, caller)).outcome, (await chat(house, caller)).policy_version[-2:]) == (1, ".2")
    await use(house, org, 1)
    assert (await chat(house, caller)).outcome == common.OUTCOME_DENY
    with pytest.raises(FailedPrecondition, match="in force"):
        await house.call("DeletePolicyVersion", caller, pb.DeletePolicyVersionRequest(version=1))
    await use(house, org, 0)
    assert (await chat(house, caller)).policy_version == plain
    assert (await house.call("DeletePolicyVersion", caller, pb.DeletePolicyVersionRequest(version=1))).existed
    assert not (await house.call("DeletePolicyVersion", caller, pb.DeletePolicyVersionRequest(version=1))).existed
    assert (await put(house, org, FREEZE, pb.POLICY_USE_UNSPECIFIED)).version == 3
    listed = await house.call("ListPolicyVersions", caller, pb.ListPolicyVersionsRequest(page_size=1))
    assert [v.version for v in listed.versions] == [3]
    more = pb.ListPolicyVersionsRequest(page_size=1, page_token=listed.next_page_token)
    assert [v.version for v in (await house.call("ListPolicyVersions", caller, more)).versions] == [2]
    got = await house.call("GetPolicySet", caller, pb.GetPolicySetRequest(version=3))
    assert (got.policies, got.version.policies) == (FREEZE, 1)
    assert (await house.call("GetPolicySet", caller, pb.GetPolicySetRequest())).version.version == 0


async def test_a_bad_set_is_refused_whole_and_the_last_good_stays(house: House) -> None:
    org = await house.organisation()
    await put(house, org, FREEZE)
    bad = [
        ("permit (", "policies[0]"),
        (f'{FREEZE} @id("b") permit (principal, action, resource) when {{ principal.salary > 3 }};', "policies.b"),
        ('@id("role.owner") permit (principal, action, resource);', "policies.role.owner"),
        ('@id("x") permit (principal == User::"globex/zoe", action, resource);', "policies.x"),
        (FREEZE * 2, "policies.freeze"),
        ("\n".join(f'@id("p{n}") permit (principal, action, resource);' for n in range(101)), "policies"),
    ]
    for text, field in bad:
        with pytest.raises(InvalidArgument) as refused:
            await put(house, org, text)
        assert [violation.field for violation in refused.value.violations] == [field]
    listed = await house.call("ListPolicyVersions", owner(house, org), pb.ListPolicyVersionsRequest())
    assert [(v.version, v.use) for v in listed.versions] == [(1, pb.POLICY_USE_ENFORCE)]
    assert (await chat(house, owner(house, org))).outcome == common.OUTCOME_DENY


async def test_an_etag_of_before_is_refused_and_a_check_writes_nothing(house: House) -> None:
    org = await house.organisation()
    caller = owner(house, org)
    first = await house.call("PutPolicySet", caller, pb.PutPolicySetRequest(policies=FREEZE, etag="0"))
    with pytest.raises(FailedPrecondition, match="changed"):
        await put(house, org, FREEZE, etag="0")
    await put(house, org, FREEZE, etag=first.etag)
    request = pb.PutPolicySetRequest(policies=FREEZE, validate_only=True)
    assert (await house.call("PutPolicySet", caller, request)).version.version == 0
    listed = await house.call("ListPolicyVersions", caller, pb.ListPolicyVersionsRequest())
    assert [v.version for v in listed.versions] == [2, 1]
    with pytest.raises(NotFound):
        await use(house, org, 7)


async def test_another_process_follows_within_seconds(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    org = await house.organisation()
    caller = owner(house, org)
    await chat(house, caller)
    # What another process writes is not announced here: only the facts, at most two seconds old, tell.
    text = pb.PutPolicySetRequest(policies=FREEZE, use=pb.POLICY_USE_ENFORCE)
    monkeypatch.setattr(house.servicer._core.remembered, "forget", lambda _: None)
    await house.call("PutPolicySet", caller, text)

    async def denied() -> bool:
        return (await chat(house, caller)).outcome == common.OUTCOME_DENY

    assert await eventually(denied, 4)


async def test_policies_of_one_organisation_reach_no_other(house: House) -> None:
    own, other = await house.organisation(), await house.organisation()
    viewer, stranger = await house.member(own, "vic", "viewer"), house.caller(own, "zoe")
    elsewhere = await house.member(other, "vic", "viewer")
    await put(house, own, '@id("all") permit (principal, action, resource);')
    assert (await chat(house, viewer)).outcome == common.OUTCOME_ALLOW
    assert (await chat(house, elsewhere)).outcome == common.OUTCOME_DENY
    assert (await chat(house, stranger)).outcome == common.OUTCOME_DENY
    for kind, name in (("Brand", "nowhere"), ("Organisation", other)):
        assert (await house.ask(viewer, "brands.read", kind, name)).outcome == common.OUTCOME_DENY
    everything = replace(viewer, scopes=MANAGE)
    with pytest.raises(PermissionDenied):
        await house.call("PutPolicySet", everything, pb.PutPolicySetRequest(policies=FREEZE))
    for method in ("GetPolicySet", "ListPolicyDifferences", "DeletePolicyVersion"):
        request = getattr(pb, f"{method}Request")(version=1)
        with pytest.raises(PermissionDenied):
            await house.call(method, everything, request)
        if method == "DeletePolicyVersion":
            assert not (await house.call(method, owner(house, other), request)).existed
        else:
            with pytest.raises(NotFound):
                await house.call(method, owner(house, other), request)
    with pytest.raises(NotFound):
        await use(house, other, 1)


async def test_nobody_locks_the_owners_out(house: House) -> None:
    org = await house.organisation()
    await put(house, org, '@id("stop") forbid (principal, action, resource);')
    assert (await chat(house, owner(house, org))).outcome == common.OUTCOME_DENY
    await use(house, org, 0)
    assert (await chat(house, owner(house, org))).outcome == common.OUTCOME_ALLOW


async def test_a_policy_can_demand_a_step_up(house: House) -> None:
    org = await house.organisation()
    text = """
        @id("fresh") @step_up
        forbid (principal, action == Action::"chat.send", resource)
        unless { context.authentication.age <= 300 && context.authentication.methods.contains("mfa") };
    """
    await put(house, org, text)
    caller = owner(house, org)
    now = int(house.servicer._core.clock.now())
    proofs = [(), ("mfa",), ("pwd",), ("mfa",)]
    times = [0, now - 3600, now, now - 60]
    reasons = []
    for amr, at in zip(proofs, times, strict=True):
        answer = await chat(house, replace(caller, authentication=Authentication("", amr, at)))
        reasons.append(common.Reason.Name(answer.reason))
    assert reasons == ["REASON_STEP_UP_REQUIRED"] * 3 + ["REASON_NONE"]
    viewer = await house.member(org, "vic", "viewer")  # whom no step-up would help
    assert (await chat(house, viewer)).reason == common.REASON_NOT_PERMITTED


async def test_a_trial_counts_and_changes_nothing(house: House) -> None:
    org = await house.organisation()
    caller = owner(house, org)
    await put(house, org, FREEZE, pb.POLICY_USE_TRY)
    for _ in range(5):
        assert (await chat(house, caller)).outcome == common.OUTCOME_ALLOW
        assert (await house.ask(caller, "brands.read", "Brand", "shop")).outcome == common.OUTCOME_ALLOW
    request = pb.ListPolicyDifferencesRequest(version=1)

    async def counted() -> list[pb.PolicyDifference]:
        found = (await house.call("ListPolicyDifferences", caller, request)).differences
        return list(found) if sum(row.asked for row in found) == 10 else []

    rows = {
        row.action: (row.resource_type, row.asked, row.would_refuse, row.would_allow)
        for row in await eventually(counted, 4)
    }
    assert rows == {"chat.send": ("Brand", 5, 5, 0), "brands.read": ("Brand", 5, 0, 0)}


async def test_only_who_may_explain_sees_the_names(house: House) -> None:
    org = await house.organisation()
    await put(house, org, FREEZE)
    assert list((await chat(house, house.caller(org))).policies) == []
    assert list((await chat(house, owner(house, org))).policies) == ["freeze"]
