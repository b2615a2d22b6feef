"""A plan from an engine: the policies that can concern a type, and what is known of who asks."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from services.tenancy.policy.cedar import Engine
from services.tenancy.policy.decide import barred
from services.tenancy.policy.language import context, member_facts
from services.tenancy.policy.model import Cause, Circumstances, Member, Standing
from services.tenancy.policy.retrieval import Plan, plan, refused
from services.tenancy.policy.statement import parsed
from services.tenancy.policy.terms import Question, Uid, uid_of

_TREES = 20_000


def plan_for(
    engine: Engine, standing: Standing | None, action: str, kind: str, given: Circumstances | Iterable[str]
) -> Plan:
    """What the caller may do `action` on, of all rows of a type. Never raises; whatever goes wrong is nothing."""
    stopped = barred(standing)
    if stopped is not None or standing is None or standing.member is None:
        return refused(stopped.cause if stopped else Cause.NOT_PERMITTED)
    if (action, kind) not in engine.language.asked:  # the schema has no such question
        return refused(Cause.NOT_PERMITTED)
    try:
        engine.language.entities(standing.organisation, standing.member, ())  # a member that does not fit is an error
        question = _question(engine, standing.organisation, standing.member, action, kind, Circumstances.of(given))
        policies = engine.concerning(standing.organisation, standing.member, action, kind)
        return plan([_tree(policy.text) for policy in policies], question)
    except Exception:  # noqa: BLE001 - as for a check: what cannot be evaluated denies
        return refused(Cause.POLICY_ERROR)


def _question(
    engine: Engine, organisation: str, member: Member, action: str, kind: str, given: Circumstances
) -> Question:
    facts = member_facts(organisation, member)
    return Question(
        organisation=organisation,
        principal=uid_of(facts["uid"]),
        ancestors=frozenset(map(uid_of, facts["parents"])),
        attributes=facts["attrs"],
        action=Uid("Action", action),
        groups=frozenset(Uid("Action", group) for group in engine.language.groups.get(action, ())),
        kind=kind,
        context=json.loads(context(given)),
        described=kind in engine.language.described,
    )


@lru_cache(maxsize=_TREES)
def _tree(text: str) -> dict[str, Any]:
    return parsed(text)
