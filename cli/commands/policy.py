"""`hauberk policy validate|test|explain`: policies, checked and tried out before they are in force."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from cli.arguments import add_data
from cli.terminal import out, print_json

HELP = "check, test and explain permission policies"
ABOUT = """\
  validate FILE...   would the service accept these Cedar files as an organisation's own policies?
  test FILE...       runs the cases of YAML files against the policies; --junit writes a report for CI
  explain FILE...    for each case: which policies its question meets, and whether their conditions hold

validate, test and explain work on files alone. With --action and --resource, explain asks the stack that `hauberk up`
runs in the data folder instead, as the organisation's first administrator.
"""
EXAMPLES = """\
examples:
  hauberk policy validate policies.cedar --organisation acme
  hauberk policy test policies/tenancy/tests/*.yaml --junit report.xml
  hauberk policy explain policies/tenancy/tests/example.yaml --case "stale"
  hauberk policy explain --action chat.send --resource Brand:acme-chat

exit status: 0 as expected, 1 a case failed or a policy breaks a rule, 2 could not be done
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What to do with which files."""
    parser.add_argument("what", choices=("validate", "test", "explain"))
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="*.cedar to validate, else *.yaml")
    parser.add_argument("--organisation", metavar="O", help="validate: whose policies they are")
    parser.add_argument("--policies", type=Path, metavar="DIR", help="default policies and schema (default: shipped)")
    parser.add_argument("--junit", type=Path, metavar="OUT", help="test: write JUnit XML there")
    parser.add_argument("--case", default="", metavar="TEXT", help="only cases whose name has this in it")
    parser.add_argument("--action", metavar="A", help="explain: ask the running stack about this action")
    parser.add_argument("--resource", metavar="TYPE:ID", help="explain: and this resource")
    parser.add_argument("--json", action="store_true", help="print JSON instead")
    add_data(parser)


def run(args: argparse.Namespace) -> int:
    """Does one of the three."""
    from cli.errors import CliError

    if args.what == "explain" and args.action and args.resource:
        return asyncio.run(_live(args))
    if not args.files:
        raise CliError(f"policy {args.what} needs at least one file (see: hauberk policy --help)")
    return {"validate": _validate, "test": _test, "explain": _explain}[args.what](args)


def _validate(args: argparse.Namespace) -> int:
    from cli.errors import CliError
    from cli.policy_cases import defaults, read, reviewed

    if not args.organisation:
        raise CliError("say whose policies they are: --organisation O")
    source = "\n".join(read(path) for path in args.files)
    policies, broken = reviewed(defaults(args.policies), args.organisation, source)
    if args.json:
        print_json({"policies": len(policies), "broken": [{"policy": v.policy, "rule": v.rule} for v in broken]})
    else:
        for found in broken:
            out().print(f"wrong  {found.policy}: {found.rule}", markup=False)
        if not broken:
            out().print(f"ok, {len(policies)} policies")
    return 1 if broken else 0


def _test(args: argparse.Namespace) -> int:
    from cli.policy_cases import Suite, defaults
    from cli.policy_report import junit, table

    engine = defaults(args.policies)
    results = [
        result for path in args.files for result in Suite(path, engine).results() if args.case in result.case.name
    ]
    failed = sum(bool(result.wrong) for result in results)
    if args.junit:
        junit(results, args.junit)
    if args.json:
        cases = [{"file": r.file, "case": r.case.name, "wrong": r.wrong} for r in results]
        print_json({"cases": cases, "failed": failed})
    else:
        out().print(table(results))
        out().print(f"{len(results)} cases, {failed} failed")
    return 1 if failed or not results else 0


def _explain(args: argparse.Namespace) -> int:
    from cli.policy_cases import Suite, defaults
    from cli.policy_report import explanation

    engine = defaults(args.policies)
    shown = []
    for path in args.files:
        suite = Suite(path, engine)
        shown += [(r, suite.matched(r.case)) for r in suite.results() if args.case in r.case.name]
    if args.json:
        print_json(
            [
                {
                    "case": result.case.name,
                    "allowed": result.decision.allowed,
                    "reason": result.decision.cause.value,
                    "decided_by": result.decision.policies,
                    "met": [{"policy": p.id, "effect": p.effect, "holds": holds} for p, holds in matched],
                }
                for result, matched in shown
            ]
        )
    else:
        for result, matched in shown:
            out().print(explanation(result, matched))
    return 0 if shown else 1


async def _live(args: argparse.Namespace) -> int:
    """One question to the running stack: it names the policies that decided."""
    from hauberk.tenancy.v1 import tenancy_service_pb2 as pb
    from hauberk.tenancy.v1 import tenancy_service_pb2_grpc as stubs

    from cli.asking import TIMEOUT, reach
    from cli.members import Administrator
    from cli.words import outcome_name, outcome_word, reason_name

    kind, _, name = args.resource.partition(":")
    async with reach(args.data) as stack:
        administrator = Administrator(stack)
        request = pb.AuthorizeRequest(action=args.action, resource=pb.Resource(type=kind, id=name))
        stub = stubs.TenancyServiceStub(stack.channel("tenancy"))
        answer = await stub.Authorize(request, timeout=TIMEOUT, metadata=await administrator.metadata())
    found = {
        "outcome": outcome_word(outcome_name(answer.outcome)),
        "reason": reason_name(answer.reason),
        "policies": list(answer.policies),
        "policy_version": answer.policy_version,
    }
    if args.json:
        print_json(found)
    else:
        out().print(f"{found['outcome']} ({found['reason']})", markup=False)
        out().print(f"decided by {', '.join(answer.policies) or 'no policy: what nothing permits is denied'}")
        out().print(f"version {answer.policy_version}")
    return 0
