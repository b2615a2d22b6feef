"""Probes of the running services, and all probes together. What could not be looked at is said, and is no evidence."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import yaml
from grpc import aio
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub

from cli.asking import TIMEOUT
from cli.errors import CliError
from cli.evidence import database, transport
from cli.evidence.model import FAILS, HOLDS, NOT_RUN, Found
from cli.housekeeping import OWNED, House, Place, house_at, place_of, policy_of
from cli.places import DEFAULT_POLICY
from cli.trail import Trail
from embedded.client import Connection, Seeded
from embedded.seed import ORGANISATIONS
from services.audit import catalogue as events
from services.kit.access import rules_of
from services.kit.auditing import UNRECORDED
from services.kit.clock import SystemClock
from services.kit.errors import KitError

_DAYS = 30
_MOST_EVENTS = 1000
_SIX_YEARS = 6 * 365 * 86_400
_GUARDRAIL = DEFAULT_POLICY.with_name("guardrail.yaml")
Probe = Callable[["System"], Awaitable[Found]]


@dataclass(frozen=True)
class System:
    """A running stack with its data folder, as an operator and as the first administrators reach it."""

    stack: Connection
    place: Place
    house: House

    @property
    def organisations(self) -> Sequence[Seeded]:
        """Those that the folder holds a first key of."""
        return [seeded for each in ORGANISATIONS if (seeded := self.stack.seeded(each)).api_key]

    def catalogue_dsn(self) -> str:
        """A role that reads the catalogue and no tenant's rows."""
        return self.place.dsn("audit_retention")

    def certificates(self) -> list[Path]:
        """Every certificate of the folder."""
        return sorted(self.stack.layout.tls.glob("*.crt"))


async def _audit_chain(system: System) -> Found:
    broken, verified = [], 0
    for trail in [*(Trail(system.stack, each) for each in system.organisations), Trail(system.stack, None)]:
        answer = await trail.verify()
        verified += answer.verified
        broken += [] if answer.intact else [f"{trail.organisation}: {answer.problem} at {answer.first_bad_sequence}"]
    chains = len(system.organisations) + 1
    figures = {"chains": chains, "events": verified}
    if broken:
        return Found(FAILS, f"chains that do not hold: {', '.join(broken)}", figures)
    return Found(HOLDS, f"{chains} chains with {verified} events hold, with every signature and anchor", figures)


async def _audit_anchors(system: System) -> Found:
    kept = len(list(system.stack.layout.anchors.glob("*/*.json")))
    if not kept:
        return Found(FAILS, "no checkpoint lies outside of the database")
    return Found(HOLDS, f"{kept} checkpoints lie outside of the database", {"checkpoints": kept})


async def _revocation_feed(system: System) -> Found:
    stub = AuthServiceStub(system.stack.channel("auth", "operator"))
    answer = await stub.RevocationStatus(auth.RevocationStatusRequest(), timeout=TIMEOUT)
    behind = [each.process for each in answer.processes if not each.following or each.behind]
    figures = {"processes": len(answer.processes), "behind": len(behind)}
    if behind or not answer.processes:
        return Found(FAILS, f"{len(behind)} of {len(answer.processes)} processes do not follow revocations", figures)
    return Found(HOLDS, f"all {len(answer.processes)} processes follow revocations and have applied the last", figures)


async def _retention_run(system: System) -> Found:
    last = await system.house.journal.last(finished=True)
    holds = len(await system.house.journal.holds())
    if last is None:
        return Found(FAILS, "retention never ran", {"holds": holds})
    days = (SystemClock().now() - (last.finished or 0)) / 86_400
    figures = {"days_ago": round(days, 2), "problems": len(last.problems), "holds": holds}
    if days * 86_400 > system.house.policy.missed_after or last.problems:
        return Found(FAILS, f"the last run ended {days:.1f} days ago with {len(last.problems)} problems", figures)
    return Found(HOLDS, f"the last run ended {days:.1f} days ago without problems; {holds} holds stand", figures)


async def _retention_policy(system: System) -> Found:
    policy = system.house.policy
    types = len(policy.rows) + len(policy.watched) + len(policy.volatile)
    years = policy.trail.hot / (365 * 86_400)
    kept = sum(len(own.kept) for own in OWNED)
    figures = {"types": types, "tables_kept_with_reason": kept, "trail_years": years}
    if policy.trail.hot < _SIX_YEARS:
        return Found(FAILS, f"the trail is kept for {years:.1f} years only", figures)
    return Found(
        HOLDS, f"{types} types of data have a time, {kept} tables a reason to stay; the trail {years:g} years", figures
    )


async def _guardrail_mode(_: System) -> Found:
    policy = yaml.safe_load(await asyncio.to_thread(_GUARDRAIL.read_bytes))
    mode, others = policy["default"]["mode"], policy["modes"]
    watching = [each for each in others if each.get("mode") in ("observe", "flag")]
    figures = {"default": mode, "exceptions": len(watching)}
    if mode not in ("block", "redact"):
        return Found(FAILS, f"the guardrail's default is {mode}: it refuses nothing", figures)
    words = f"the guardrail's default is {mode}, with {len(watching)} exceptions in the file"
    return Found(HOLDS, f"{words}; choices that organisations made themselves are not counted", figures)


async def _event_coverage(_: System) -> Found:
    known, rpcs, uncovered = events.catalogue(), 0, []
    for service, file in events.CONTRACT.items():
        for contract in file.services_by_name.values():
            for method in contract.methods:
                rpcs += 1
                if method.name not in UNRECORDED and events.code_of(service, method.name) not in known:
                    uncovered.append(f"{service}/{method.name}")
    figures = {"rpcs": rpcs, "events": len(known), "not_recorded": sorted(UNRECORDED)}
    if uncovered:
        return Found(FAILS, f"without an event: {', '.join(uncovered)}", figures)
    return Found(HOLDS, f"{rpcs} RPCs, each with an event but {', '.join(sorted(UNRECORDED))}", figures)


async def _access_declared(_: System) -> Found:
    contracts = [each for file in events.CONTRACT.values() for each in file.services_by_name.values()]
    rules = rules_of(contracts)  # raises for one that declares none
    open_to_all = sorted(name.rpartition(".")[2] for name, rule in rules.items() if not rule.workloads)
    words = f"all {len(rules)} RPCs say who may call them; open to anybody: {', '.join(open_to_all) or 'none'}"
    return Found(HOLDS, words, {"rpcs": len(rules), "anonymous": open_to_all})


def _thread(probe: Callable[..., Found], *ways: Callable[[System], Any]) -> Probe:
    async def run(system: System) -> Found:
        return await asyncio.to_thread(probe, *(way(system) for way in ways))

    return run


PROBES: Mapping[str, Probe] = {
    "rls_forced": _thread(database.rls_forced, System.catalogue_dsn),
    "roles_bound": _thread(database.roles_bound, System.catalogue_dsn),
    "audit_append_only": _thread(database.audit_append_only, System.catalogue_dsn),
    "database_durability": _thread(database.database_durability, System.catalogue_dsn),
    "tls_floor": _thread(transport.tls_floor, lambda s: s.stack.address, lambda s: s.stack.client()),
    "client_certificate": _thread(transport.client_certificate, lambda s: s.stack.address, lambda s: s.stack.client()),
    "certificates": _thread(transport.certificates, System.certificates),
    "key_ages": _thread(transport.key_ages, lambda s: s.stack.layout.keys),
    "production_material": _thread(
        transport.production_material, System.certificates, lambda s: s.stack.layout.keys, lambda s: s.stack.folder
    ),
    "audit_chain": _audit_chain,
    "audit_anchors": _audit_anchors,
    "revocation_feed": _revocation_feed,
    "retention_run": _retention_run,
    "retention_policy": _retention_policy,
    "guardrail_mode": _guardrail_mode,
    "event_coverage": _event_coverage,
    "access_declared": _access_declared,
}


async def probed(system: System, names: Sequence[str]) -> dict[str, Found]:
    """Each of these probes; one that cannot run says why by the kind of its failure, never by its text."""
    found: dict[str, Found] = {}
    for name in sorted(set(names)):
        try:
            found[name] = await PROBES[name](system)
        except (aio.AioRpcError, KitError, psycopg.Error, OSError, ValueError, KeyError, CliError) as error:
            found[name] = Found(NOT_RUN, f"could not be looked at ({type(error).__name__})")
    return found


async def counted(system: System, codes: Sequence[str]) -> dict[str, int | None]:
    """How often each event was put on record in the last thirty days, up to a thousand; None when it cannot be read."""
    since, wanted = datetime.now(UTC) - timedelta(days=_DAYS), sorted(set(codes))
    answer: dict[str, int | None] = dict.fromkeys(wanted, 0)
    for trail in [*(Trail(system.stack, each) for each in system.organisations), Trail(system.stack, None)]:
        for code in wanted:
            try:
                count = len([1 async for _ in trail.query(since, None, _MOST_EVENTS, {"code": code})])
            except (aio.AioRpcError, KitError):
                answer[code] = None
                continue
            before = answer[code]
            answer[code] = None if before is None else before + count
    return answer


async def with_system(args: argparse.Namespace, do: Callable[[System], Awaitable[int]]) -> int:
    """Opens the stack that runs in the data folder. Raises EmbeddedError when none does."""
    stack = Connection(args.data)
    try:
        async with place_of(args) as place, house_at(place, policy_of(args.policy)) as house:
            return await do(System(stack, place, house))
    finally:
        await stack.close()
