"""`agreement`: random organisations, members and policies, and whether Authorize says what a model written apart says.

Every question goes through the whole service, with PostgreSQL. One difference is a failure: nothing is averaged here.
"""

from __future__ import annotations

import random
import time

from hauberk.common.v1 import decision_pb2 as common
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

from bench import permission_model as model
from bench.rows import Row, row
from bench.tenancy_house import House, opened
from services.kit.caller import Authentication

BRANDS = ("b0", "b1", "b2", "shop")
PEOPLE = 12
_BATCH = 25
_RULES = (0, 1, 3, 8, 20, 40)


async def run(small: bool) -> list[Row]:
    """One row; raises RuntimeError at the first difference."""
    async with opened() as house:
        return [await compare(house, 3_000 if small else 100_000, seed=20)]


async def compare(house: House, questions: int, seed: int) -> Row:
    """Asks so many questions of organisations of all kinds."""
    chance = random.Random(seed)
    taken: list[float] = []
    seen: dict[str, int] = {}
    number = 0
    while sum(seen.values()) < questions:
        world = await _World.made(house, f"model{number}", chance)
        for person in world.people:
            await world.ask(person, chance, taken, seen)
        number += 1
    counts = {reason.lower(): count for reason, count in sorted(seen.items())}
    return row(
        f"{questions} questions", taken, questions=sum(seen.values()), organisations=number, differing=0, **counts
    )


class _World:
    def __init__(self, house: House, name: str, people: list[model.Person], rules: list[model.Rule]) -> None:
        self._house, self._name, self.people, self._rules = house, name, people, rules

    @classmethod
    async def made(cls, house: House, name: str, chance: random.Random) -> _World:
        plan = chance.choice(("pro", "free"))
        people = [_person(chance, f"p{number}", plan) for number in range(PEOPLE)]
        rules = model.random_rules(chance, [person.user for person in people], BRANDS, chance.choice(_RULES))
        await house.organisation(name, 0, 3)
        members = [person for person in people if person.brands != frozenset({"nobody"})]
        rows = ", ".join(
            f"('{name}', '{m.user}', '{{{','.join(m.roles)}}}', {str(m.brands is None).lower()})" for m in members
        )
        reach = ", ".join(f"('{name}', '{m.user}', '{brand}')" for m in members for brand in sorted(m.brands or ()))
        await house.sql(f"UPDATE tenancy.organisations SET plan = '{plan}' WHERE org_id = '{name}'")
        if rows:
            await house.sql(f"INSERT INTO tenancy.members (org_id, user_id, roles, all_brands) VALUES {rows}")
        if reach:
            await house.sql(f"INSERT INTO tenancy.member_brands (org_id, user_id, brand_id) VALUES {reach}")
        if rules:
            await house.policies(name, "\n".join(rule.cedar(name) for rule in rules))
        return cls(house, name, people, rules)

    async def ask(self, person: model.Person, chance: random.Random, taken: list[float], seen: dict[str, int]) -> None:
        """A batch and a single question of one caller."""
        asked = [(chance.choice(list(model.ACTIONS)), *self._resource(chance)) for _ in range(_BATCH)]
        at = int(time.time()) - person.age if person.methods else 0
        caller = self._house.as_(
            self._name, person.user, {*person.scopes, "decisions.explain"}, Authentication("", person.methods, at)
        )
        requests = [
            pb.AuthorizeRequest(action=action, resource=pb.Resource(type=kind, id=name)) for action, kind, name in asked
        ]
        started = time.perf_counter()
        batch = await self._house.stub.AuthorizeBatch(pb.AuthorizeBatchRequest(questions=requests), metadata=caller)
        taken.append(time.perf_counter() - started)
        single = await self._house.stub.Authorize(requests[0], metadata=caller)
        for question, got in zip([*asked, asked[0]], [*batch.answers, single], strict=True):
            known = question[2] in BRANDS if question[1] == "Brand" else question[2] == self._name
            wanted = model.answer(person, self._rules, *question, known=known)
            reason = common.Reason.Name(got.reason).removeprefix("REASON_")
            allowed = got.outcome == common.OUTCOME_ALLOW
            if (reason, list(got.policies), allowed) != (*wanted, wanted[0] == "NONE"):
                raise RuntimeError(f"{person} asking {question} of {self._name}: {reason} {got.policies}, not {wanted}")
            seen[reason] = seen.get(reason, 0) + 1

    def _resource(self, chance: random.Random) -> tuple[str, str]:
        if chance.random() < 0.7:
            return "Brand", chance.choice((*BRANDS, *BRANDS, "elsewhere"))
        return chance.choice((("Organisation", self._name), ("Organisation", self._name), ("Organisation", "other")))


def _person(chance: random.Random, user: str, plan: str) -> model.Person:
    stranger = chance.random() < 0.1
    roles = tuple(chance.sample(list(model.ROLES), chance.choice((1, 1, 2, 4))))
    reach = None if chance.random() < 0.6 else frozenset(chance.sample(BRANDS, chance.randrange(4)))
    methods = chance.choice(((), ("pwd",), ("pwd", "mfa")))
    age = chance.choice((5, 100_000)) if methods else model.LIMIT + 1
    scopes = frozenset(chance.sample(model.SCOPES, chance.randrange(len(model.SCOPES) + 1)))
    return model.Person(user, roles, frozenset({"nobody"}) if stranger else reach, scopes, methods, age, plan)
