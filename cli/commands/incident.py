"""`hauberk incident`: what the rules found, what was done about it, and what a person decides."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from hauberk.audit.v1 import audit_service_pb2 as pb
from rich.table import Table

from cli.arguments import add_data
from cli.terminal import out, print_json

HELP = "list incidents, show their reports, approve or take back what a playbook does"
ABOUT = """\
  list       incidents, the newest first
  show       the report of one: timeline, subjects, actions, evidence
  approve    does an action that waits
  undo       takes an action back, or drops one that waits
  close      closes one; --as false_positive takes back every action
  playbooks  every playbook with its mode
  mode       sets the mode of a playbook: observe, suggest or enforce

Asks the stack that `hauberk up` runs in the data folder, with the key of the organisation's first administrator, or
with --platform as the operator: what nobody's organisation is known of, like failed authentications, is the platform's.
"""
EXAMPLES = """\
examples:
  hauberk incident list --state new
  hauberk incident show inc_0123456789abcdef01234567 --json
  hauberk incident undo inc_0123456789abcdef01234567 --action act_0123456789abcdef01234567
  hauberk incident close inc_0123456789abcdef01234567 --as false_positive
  hauberk incident mode --playbook injection_burst --set enforce
  hauberk incident list --platform
"""
_MODES = {
    "observe": pb.PLAYBOOK_MODE_OBSERVE,
    "suggest": pb.PLAYBOOK_MODE_SUGGEST,
    "enforce": pb.PLAYBOOK_MODE_ENFORCE,
}
_WORDS = {number: word for word, number in _MODES.items()}
_RESOLUTIONS = {"resolved": pb.RESOLUTION_RESOLVED, "false_positive": pb.RESOLUTION_FALSE_POSITIVE}
_STATES = ("new", "contained", "resolved", "false_positive")
Ask = Callable[..., Awaitable[Any]]


def configure(parser: argparse.ArgumentParser) -> None:
    """What to do, and with which."""
    parser.add_argument("what", choices=("list", "show", "approve", "undo", "close", "playbooks", "mode"))
    parser.add_argument("incident", nargs="?", default="", help="id of an incident")
    parser.add_argument("--organisation", metavar="O", help="a seeded organisation (default: the first one)")
    parser.add_argument("--platform", action="store_true", help="the platform's own incidents, as the operator")
    parser.add_argument("--state", choices=_STATES, default="", help="list: only incidents in this state")
    parser.add_argument("--action", default="", metavar="A", help="approve, undo: id of the action")
    parser.add_argument(
        "--as", dest="resolution", choices=tuple(_RESOLUTIONS), default="resolved", help="close: as what"
    )
    parser.add_argument("--playbook", default="", metavar="P", help="mode: which playbook")
    parser.add_argument("--set", dest="mode", choices=tuple(_MODES), help="mode: from now on")
    parser.add_argument("--json", action="store_true", help="print JSON instead")
    add_data(parser)


def run(args: argparse.Namespace) -> int:
    """Does what is asked."""
    return asyncio.run(_run(args))


async def _run(args: argparse.Namespace) -> int:
    from cli.trail import reading

    async with reading(args) as trail:

        async def ask(verb: str, noun: str, **fields: Any) -> Any:
            name = f"{verb}{'Platform' if args.platform else ''}{noun}"
            request = getattr(pb, f"{name}Request")(**fields)
            return await trail.call(name, request)

        does = {"list": _list, "show": _show, "close": _close, "playbooks": _playbooks, "mode": _mode}
        return await does.get(args.what, _decide)(args, ask)


async def _list(args: argparse.Namespace, ask: Ask) -> int:
    found = (await ask("List", "Incidents", state=args.state)).incidents
    if args.json:
        print_json({"incidents": [_brief(each) for each in found]})
        return 0
    table = Table("incident", "opened", "rule", "severity", "state", box=None)
    for each in found:
        opened = each.opened_at.ToJsonString()
        table.add_row(each.incident_id, opened, each.rule, each.severity, each.state)
    out().print(table)
    return 0


async def _show(args: argparse.Namespace, ask: Ask) -> int:
    found = await ask("Get", "Incident", incident_id=_named(args))
    out().print(found.json if args.json else found.markdown, markup=False, highlight=False, soft_wrap=True)
    return 0


async def _decide(args: argparse.Namespace, ask: Ask) -> int:
    verdict = pb.ACTION_VERDICT_APPROVE if args.what == "approve" else pb.ACTION_VERDICT_UNDO
    found = await ask(
        "Decide", "Action", incident_id=_named(args), action_id=_given(args.action, "--action"), verdict=verdict
    )
    action = found.action
    if args.json:
        print_json({"action_id": action.action_id, "action": action.action, "state": action.state, "why": action.why})
    else:
        out().print(f"{action.action} of {action.subject or 'somebody erased'}: {action.state}")
    return 0 if action.state in ("done", "undone", "dropped") else 2


async def _close(args: argparse.Namespace, ask: Ask) -> int:
    resolution = _RESOLUTIONS[args.resolution]
    found = (await ask("Close", "Incident", incident_id=_named(args), resolution=resolution)).incident
    if args.json:
        print_json(_brief(found))
    else:
        out().print(f"{found.incident_id}: {found.state}")
    return 0


async def _playbooks(args: argparse.Namespace, ask: Ask) -> int:
    found = (await ask("List", "Playbooks")).playbooks
    if args.json:
        print_json({"playbooks": [_playbook(each) for each in found]})
        return 0
    table = Table("playbook", "mode", "actions", box=None)
    for each in found:
        table.add_row(each.playbook, _WORDS[each.mode], ", ".join(each.actions))
    out().print(table)
    return 0


async def _mode(args: argparse.Namespace, ask: Ask) -> int:
    mode = _MODES[_given(args.mode or "", "--set")]
    found = (await ask("Put", "PlaybookMode", playbook=_given(args.playbook, "--playbook"), mode=mode)).playbook
    if args.json:
        print_json(_playbook(found))
    else:
        out().print(f"{found.playbook}: {_WORDS[found.mode]}")
    return 0


def _named(args: argparse.Namespace) -> str:
    return _given(args.incident, "the id of an incident")


def _given(value: str, what: str) -> str:
    from cli.errors import CliError

    if not value:
        raise CliError(f"give {what}")
    return value


def _brief(found: pb.Incident) -> dict[str, Any]:
    return {
        "incident": found.incident_id,
        "rule": found.rule,
        "severity": found.severity,
        "state": found.state,
        "opened_at": found.opened_at.ToJsonString(),
    }


def _playbook(found: pb.Playbook) -> dict[str, Any]:
    return {"playbook": found.playbook, "mode": _WORDS[found.mode], "actions": list(found.actions)}
