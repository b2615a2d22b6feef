"""`hauberk retention`: deletes what is past its time, says what would go, and holds what must not."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.arguments import add_data
from cli.errors import CliError
from cli.terminal import err, out, print_json

if TYPE_CHECKING:
    from cli.housekeeping import House
    from services.audit.flows.retention_ports import RunRow

HELP = "delete what is past its time, by a policy; hold what must not go"
ABOUT = """\
  plan      counts what a run would delete now, and changes nothing
  run       deletes, by policies/retention.yaml: each service's rows by a role of that service that can do nothing else;
            months of the trail are archived, rest, are verified again, then dropped. Interrupt it at any moment: the
            next run goes on. One at a time
  status    the last run, its problems, what is held; status 1 when a run was missed
  hold      keeps everything of --organisation, or of one --subject of it, until it is released
  release   ends a hold (--hold ID)
  verify    verifies every archived file offline, that none is missing, and that each follows from the one before

Run it once a day. Works on the data folder of `hauberk up`, running or not; on a production with --passwords and the
options beside it.
"""
EXAMPLES = """\
examples:
  hauberk retention plan
  hauberk retention run --metrics /var/lib/node_exporter/hauberk.prom
  hauberk retention hold --organisation acme --subject ada --reason "case 2026-17"
  hauberk retention status --json
  hauberk retention run --database-url postgresql://db/hauberk --passwords prepared/database --keys prepared/keys/audit
      --redis-url redis://redis:6379 --archive /srv/archive

exit status: 0 done, 1 for `status`: a run was missed or had problems; for `run`: problems; for `verify`: does not hold
             2 could not be done
"""
METRICS = """\
# HELP hauberk_retention_last_success_timestamp_seconds When a retention run last ended.
# TYPE hauberk_retention_last_success_timestamp_seconds gauge
hauberk_retention_last_success_timestamp_seconds {ended:.0f}
# HELP hauberk_retention_problems What the last retention run could not do, or found.
# TYPE hauberk_retention_problems gauge
hauberk_retention_problems {problems}
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What to do, by which policy, and where."""
    from cli.places import add_place

    parser.add_argument("what", choices=("plan", "run", "status", "hold", "release", "verify"))
    parser.add_argument("--organisation", default="", metavar="O", help="hold: whose data")
    parser.add_argument("--subject", default="", metavar="U", help="hold: of this user only (and the whole trail of O)")
    parser.add_argument("--reason", default="", metavar="WORDS", help="hold: why; kept, so name no person")
    parser.add_argument("--hold", default="", metavar="ID", help="release: which one")
    parser.add_argument("--metrics", type=Path, metavar="FILE", help="run, status: write two Prometheus gauges there")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    add_place(parser)
    add_data(parser)


def run(args: argparse.Namespace) -> int:
    """Does what is asked."""
    does = {"plan": _plan, "run": _run, "status": _status, "hold": _hold, "release": _release, "verify": _verify}
    return asyncio.run(_with(args, does[args.what]))


async def _with(args: argparse.Namespace, do: Any) -> int:
    from cli.housekeeping import opened

    async with opened(args) as house:
        return int(await do(args, house))


async def _plan(args: argparse.Namespace, house: House) -> int:
    from rich.table import Table

    planned, months = await house.retention.plan(house.policy)
    if args.json:
        rows = {each.name: each.rows for each in planned if not each.watched}
        watched = {each.name: each.rows for each in planned if each.watched}
        print_json({"rows": rows, "watched": watched, "trail_months": months})
        return 0
    table = Table("type", "rows", "", box=None, pad_edge=False)
    for each in planned:
        table.add_row(each.name, str(each.rows), "should be gone by itself" if each.watched and each.rows else "")
    out().print(table)
    out().print(f"months of the trail: {', '.join(months) or 'none'}")
    return 0


async def _run(args: argparse.Namespace, house: House) -> int:
    from services.audit.flows.retention_ports import BusyError

    totals: dict[str, int] = {}

    def progress(name: str, rows: int) -> None:
        totals[name] = totals.get(name, 0) + rows
        if not args.json:
            err().print(f"{name}: {totals[name]}")

    try:
        done = await house.retention.run(house.policy, progress)
    except BusyError:
        raise CliError("another retention run is at work") from None
    _write_metrics(args.metrics, done)
    if args.json:
        print_json(_shown(done))
    else:
        for name, rows in sorted(done.gone.items()):
            out().print(f"{name}: {rows}")
        _say_problems(done)
    return 1 if done.problems else 0


async def _status(args: argparse.Namespace, house: House) -> int:
    from services.kit.clock import SystemClock

    last, ended = await house.journal.last(finished=False), await house.journal.last(finished=True)
    holds = await house.journal.holds()
    age = SystemClock().now() - (ended.finished or 0) if ended else None
    missed = age is None or age > house.policy.missed_after
    if ended:
        _write_metrics(args.metrics, ended)
    if args.json:
        held = [
            {"hold": h.hold_id, "organisation": h.organisation, "subject": h.subject, "reason": h.reason} for h in holds
        ]
        shown = {"last": _shown(ended) if ended else None, "missed": missed, "holds": held}
        print_json({**shown, "interrupted": bool(last and last.finished is None)})
    else:
        said = "never" if age is None else f"{age / 3600:.1f} h ago"
        out().print(f"last run ended: {said}" + (" [red]missed[/]" if missed else ""))
        if last and last.finished is None:
            out().print("a run was broken off, or is at work: the next one goes on")
        for hold in holds:
            whom = f"{hold.subject} of {hold.organisation}" if hold.subject else hold.organisation
            out().print(f"{hold.hold_id} holds {whom}: {hold.reason}", markup=False)
        if ended:
            _say_problems(ended)
    return 1 if missed or (ended and ended.problems) else 0


async def _hold(args: argparse.Namespace, house: House) -> int:
    if not args.organisation or not args.reason:
        raise CliError("hold: say whose (--organisation, and --subject for one user) and why (--reason)")
    hold = await house.retention.hold(args.organisation, args.subject, args.reason, getpass.getuser())
    print_json({"hold": hold.hold_id}) if args.json else out().print(f"held by {hold.hold_id}")
    return 0


async def _release(args: argparse.Namespace, house: House) -> int:
    whose = await house.retention.release(args.hold, getpass.getuser())
    if whose is None:
        raise CliError("release: no such hold stands (see `hauberk retention status`)")
    print_json({"released": args.hold}) if args.json else out().print(f"released; it held data of {whose}")
    return 0


async def _verify(args: argparse.Namespace, house: House) -> int:
    from cli.archived import verify

    files, problems = await asyncio.to_thread(verify, house.archive, house.signer.genuine)
    if args.json:
        print_json({"files": files, "problems": problems})
    else:
        for problem in problems:
            out().print(f"[red]{problem}[/]")
        out().print(f"{files} files" + ("" if problems else " [green]hold[/]"))
    return 1 if problems else 0


def _shown(run: RunRow) -> dict[str, Any]:
    return {
        "run": run.run_id,
        "as_of": run.at,
        "ended": run.finished,
        "gone": dict(sorted(run.gone.items())),
        "problems": list(run.problems),
    }


def _say_problems(run: RunRow) -> None:
    for problem in run.problems:
        out().print(f"[yellow]{problem}[/]")


def _write_metrics(path: Path | None, run: RunRow) -> None:
    """Whole or not at all: a collector may read it at any moment."""
    if path is None:
        return
    try:
        unfinished = path.with_name(f".{path.name}.part")
        unfinished.write_text(METRICS.format(ended=run.finished or 0, problems=len(run.problems)))
        unfinished.replace(path)
    except OSError as error:
        sys.stderr.write(json.dumps({"metrics": type(error).__name__}) + "\n")
