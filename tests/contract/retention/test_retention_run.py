"""A run over a seeded year: exactly what the policy says is gone, also when it is broken off again and again."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import psycopg
import pytest

from bench.retention_year import rows_left, wrong
from cli.archived import verify
from cli.housekeeping import House
from services.audit.adapters.reading import TenantReader
from services.audit.flows.retention_ports import BusyError, RunRow
from services.audit.flows.verifying import Outcome, Verifier
from services.kit.caller import Caller
from services.kit.postgres import Database
from tests.contract.retention.conftest import Ahead, Site

pytestmark = pytest.mark.alone

TRAIL = {"hot": "300d", "rest": "1min"}


def quiet(_: str, __: int) -> None:
    """Nobody watches."""


async def finished(house: House, clock: Ahead) -> RunRow:
    """Archived, rested, dropped."""
    await house.retention.run(house.policy, quiet)
    clock.seconds += 61
    return await house.retention.run(house.policy, quiet)


async def walked(site: Site, house: House, organisation: str) -> Outcome:
    async with AsyncExitStack() as exits:
        database = Database(site.stores.service_dsn("audit"), max_size=1)
        await database.open()
        exits.push_async_callback(database.close)
        caller = Caller(organisation, "ada", "", "0" * 16, "backend/shop", site.stores.proof(organisation), 0)
        return await Verifier(house.signer.genuine, [], page=100, most=10**6).verify(TenantReader(database, caller))


async def admin(site: Site, statement: str, values: Any = ()) -> list[tuple[Any, ...]]:
    async with await psycopg.AsyncConnection.connect(site.stores.admin_dsn, autocommit=True) as connection:
        cursor = await connection.execute(statement.encode(), values)
        return await cursor.fetchall() if cursor.description else []


def of_trail(problems: tuple[str, ...]) -> list[str]:
    return [problem for problem in problems if problem.startswith("trail")]


async def test_exactly_what_the_policy_says_is_gone(site: Site) -> None:
    year = await site.year()
    clock = Ahead()
    async with site.open(clock, **TRAIL) as house:
        hold = await house.retention.hold(year.held, "", "a case", "operator")
        before = rows_left(site.stores.admin_dsn, year)
        planned, months = await house.retention.plan(house.policy)
        assert rows_left(site.stores.admin_dsn, year) == before, "a plan changes nothing"
        assert len(months) >= 3
        run = await finished(house, clock)
        left = rows_left(site.stores.admin_dsn, year)
        assert wrong(left, year, year.held) == []
        due = {name: year.seeded(name) - sum(left[name].values()) for name in year.ages}
        assert all(each.rows >= due[each.name] > 0 for each in planned if each.name in due)
        assert left["tenancy.turns"] == left["tenancy.conversations"]
        assert of_trail(run.problems) == []
        for organisation in year.organisations:
            gone = sum(
                n
                for month, each in year.events.items()
                if month in months
                for w, n in each.items()
                if w == organisation
            )
            kept = 150 if organisation == year.held else 150 - gone
            assert left["audit.events"][organisation] == left["audit.known"][organisation] == kept
            outcome = await walked(site, house, organisation)
            assert (outcome.finding.problem, outcome.position) == ("", 150), organisation
        files, broken = verify(house.archive, house.signer.genuine)
        assert files >= 3 * 3
        assert broken == []
        again = await house.retention.run(house.policy, quiet)
        assert rows_left(site.stores.admin_dsn, year) == left
        assert sum(again.gone.values()) == 0
        reported = await admin(
            site,
            "SELECT code FROM audit.inbox WHERE org_id = ANY (%s) UNION ALL SELECT code FROM audit.events"
            " WHERE org_id = ANY (%s) AND code LIKE 'audit.retention%%'",
            [[*year.organisations, ""]] * 2,
        )
        assert {"audit.retention_held", "audit.retention_dropped", "audit.retention_run"} <= {
            row[0] for row in reported
        }
        await house.retention.release(hold.hold_id, "operator")
        await finished(house, clock)
        tables = await admin(
            site, "SELECT to_regclass('audit.events_' || m) FROM unnest(%s::text[]) AS m", [list(months)]
        )
        assert [row for row in tables if row != (None,)] == [], "a month in which nothing is held goes as a whole"
        assert (await walked(site, house, year.held)).finding.problem == ""


class Interrupted(Exception):
    """The power went."""


class Frail:
    """What it stands for, until the n-th call: it breaks right after that was done."""

    def __init__(self, genuine: Any, left: list[int]) -> None:
        self._genuine, self._left = genuine, left

    def __getattr__(self, name: str) -> Any:
        genuine = getattr(self._genuine, name)
        if name in ("alone", "holds", "chains", "months", "archives", "marks", "links", "head", "last"):
            return genuine

        async def frail(*args: Any, **more: Any) -> Any:
            answer = await genuine(*args, **more)
            self._left[0] -= 1
            if self._left[0] == 0:
                raise Interrupted
            return answer

        return frail


async def test_a_run_that_is_broken_off_after_any_step_goes_on(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    year = await site.year(rows=4, events=40)
    clock = Ahead()
    async with site.open(clock, **TRAIL) as house:
        retention, left = house.retention, [0]
        for name in ("_doors", "_journal"):
            genuine = getattr(retention, name)
            frail = {k: Frail(v, left) for k, v in genuine.items()} if name == "_doors" else Frail(genuine, left)
            monkeypatch.setattr(retention, name, frail)
        monkeypatch.setattr(
            retention,
            "_trail",
            type(retention._trail)(Frail(house.journal, left), house.archive, house.signer, house.signer.jwks),
        )
        broken = 0
        for after in (1, 2, 5, 12, 20, 30, 33, 36, 1, 3, 6, 9, 12):
            left[0] = after
            try:
                await retention.run(house.policy, quiet)
            except Interrupted:
                broken += 1
            else:  # all is archived: let it rest, then break off what drops it
                clock.seconds += 61
        assert broken > 8
        left[0] = 0
        run = await finished(house, clock)
        assert of_trail(run.problems) == []
        gone = rows_left(site.stores.admin_dsn, year)
        assert wrong(gone, year) == []
        assert verify(house.archive, house.signer.genuine)[1] == []
        for organisation in year.organisations:
            assert (await walked(site, house, organisation)).finding.problem == ""
            assert gone["audit.events"][organisation] == gone["audit.known"][organisation] < 40


async def test_there_is_one_run_at_a_time(site: Site) -> None:
    async with site.open() as first, site.open() as second, first.journal.alone():
        with pytest.raises(BusyError):
            await second.retention.run(second.policy, quiet)
    async with site.open() as third:
        assert (await third.retention.run(third.policy, quiet)).finished


async def test_a_held_subject_stays_and_goes_when_it_is_released(site: Site) -> None:
    year = await site.year(rows=20, events=10)
    free = next(name for name, plan in year.organisations.items() if plan == "free" and name != year.held)

    async def conversations(user: str) -> int:
        rows = await admin(
            site, "SELECT count(*) FROM tenancy.conversations WHERE org_id = %s AND user_id = %s", [free, user]
        )
        return int(rows[0][0])

    async with site.open() as house:
        hold = await house.retention.hold(free, "u3", "a case", "operator")
        await house.retention.run(house.policy, quiet)
        assert (await conversations("u3"), await conversations("u4")) == (2, 0)
        assert await house.retention.release("hold_0000000000000000", "operator") is None
        assert await house.retention.release(hold.hold_id, "operator") == free
        await house.retention.run(house.policy, quiet)
        assert await conversations("u3") == 0


async def test_an_altered_month_is_not_dropped(site: Site) -> None:
    year = await site.year(rows=1, events=60)
    victim, other = list(year.organisations)[:2]
    await admin(
        site,
        "UPDATE audit.events SET canonical = replace(convert_from(canonical, 'UTF8'), 'ALLOW', 'DENY')::bytea"
        " WHERE org_id = %s AND sequence = 2",
        [victim],
    )
    clock = Ahead()
    async with site.open(clock, **TRAIL) as house:
        run = await finished(house, clock)
        assert [problem for problem in of_trail(run.problems) if victim in problem and "altered" in problem]
        left = rows_left(site.stores.admin_dsn, year)
        assert left["audit.events"][victim] == 60
        assert left["audit.events"][other] < 60, "what is another's goes all the same"
    await admin(site, "DELETE FROM audit.events WHERE org_id = %s", [victim])


async def test_an_archive_that_was_damaged_while_it_rested_is_made_anew(site: Site) -> None:
    year = await site.year(rows=1, events=60)
    async with site.open(hot="300d", rest="1d") as house:
        await house.retention.run(house.policy, quiet)
        whose = next(iter(year.organisations))
        months = [each for each in await house.journal.months() if whose in await house.journal.archives(each)]
        path = house.archive.path(whose, months[0])
        path.write_bytes(path.read_bytes().replace(b"ALLOW", b"ALLOX"))
        assert verify(house.archive, house.signer.genuine)[1]
        await house.retention.run(house.policy, quiet)
        assert verify(house.archive, house.signer.genuine)[1] == []
        assert rows_left(site.stores.admin_dsn, year)["audit.events"] == dict.fromkeys(year.organisations, 60), (
            "it rests"
        )


async def test_a_cut_that_nobody_signed_or_that_is_gone_is_found(site: Site) -> None:
    year = await site.year(rows=1, events=60)
    one, two = list(year.organisations)[:2]
    clock = Ahead()
    async with site.open(clock, **TRAIL) as house:
        await finished(house, clock)
        await admin(
            site,
            "UPDATE audit.cuts SET signature = '\\x3006020100020100' WHERE org_id = %s",
            [one],
        )
        await admin(site, "DELETE FROM audit.cuts WHERE org_id = %s", [two])
        assert (await walked(site, house, one)).finding.problem == "signature"
        assert (await walked(site, house, two)).finding.problem == "gap"


async def test_the_doors_refuse_what_is_not_archived_or_held(site: Site) -> None:
    year = await site.year(rows=1, events=60)
    organisation, month = next(iter(year.organisations)), min(year.events)
    refused = [
        "SELECT audit.drop_month(%(month)s)",
        "SELECT audit.drop_month(to_char(now(), 'YYYYMM'))",
        "SELECT audit.drop_month('202601; x')",
        "SELECT audit.forget_stretch(%(org)s, 0, 1, true)",
        "SELECT audit.expire('audit.inbox', NULL, NULL, now(), 10, '{}', '{}', true)",
        "SELECT audit.expire('audit.events', NULL, NULL, now(), 10, '{}', '{}', true)",
        "DELETE FROM audit.events",
        "SELECT count(*) FROM audit.legal_holds",
        "DELETE FROM audit.retention_runs",
        "SELECT audit.seal(%(org)s, 1)",
        "SELECT auth.expire('auth.sessions', NULL, NULL, now(), 10, '{}', '{}', true)",
    ]
    with psycopg.connect(site.stores.service_dsn("audit_retention"), autocommit=True) as conn:
        for statement in refused:
            with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.RaiseException)):
                conn.execute(statement.encode(), {"org": organisation, "month": month})
    for service in ("auth", "tenancy", "ratelimit", "guardrail", "audit"):
        with psycopg.connect(site.stores.service_dsn(service), autocommit=True) as conn:
            call = f"SELECT {service}.expire('x', NULL, NULL, now(), 10, '{{}}', '{{}}', true)"
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(call.encode())
        role = site.stores.service_dsn(f"{service}_retention")
        with psycopg.connect(role, autocommit=True) as conn, pytest.raises(psycopg.errors.RaiseException):
            conn.execute(call.encode())
    assert rows_left(site.stores.admin_dsn, year)["audit.events"][organisation] == 60
