"""`hauberk tools ...`: the registry of tools, definitions from elsewhere, and calls that wait for a person."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any

from cli.arguments import add_data
from cli.errors import CliError
from cli.terminal import out, print_json
from cli.tool_import import RISKS

HELP = "import tools, read the registry, approve changed definitions and single calls"
ABOUT = """\
  import FILE           registers the tools of an MCP tools/list answer, or of OpenAI definitions (both shapes), in
                        observe mode unless --enforce; says of each what became of it. --dry-run registers nothing
  list                  the tools that may be called, with the hash of their definition
  waiting               tools whose definition has changed since it was approved: nobody can call them
  approve TOOL HASH     approves that definition
  approvals             calls that approval was asked for, newest first
  grant ID, refuse ID   decides one of them

A schema must say of every object that it takes only declared fields; --close says it for those that are silent. What a
tool claims about itself (readOnlyHint) never lowers its risk below --risk. Asks as the first administrator of the stack
that `hauberk up` runs in the data folder.
"""
EXAMPLES = """\
examples:
  hauberk tools import tools.json --permission tools.call --risk egress --dry-run
  hauberk tools import tools.json --permission tools.call --risk egress --close
  hauberk tools waiting
  hauberk tools grant apr_0123456789abcdef0123456789abcdef

exit status: 0 done, 1 for `import`: some tool was refused, 2 could not be done
"""
WHAT = ("import", "list", "waiting", "approve", "approvals", "grant", "refuse")


def configure(parser: argparse.ArgumentParser) -> None:
    """What to do with what."""
    parser.add_argument("what", choices=WHAT)
    parser.add_argument("of", nargs="?", default="", metavar="FILE|TOOL|ID", help="a file, a tool, or an approval")
    parser.add_argument("hash", nargs="?", default="", metavar="HASH", help="approve: the definition that was read")
    parser.add_argument("--permission", default="tools.call", metavar="P", help="import: needed (default: %(default)s)")
    parser.add_argument("--risk", choices=RISKS, default="destructive", help="import: at least (default: %(default)s)")
    parser.add_argument("--close", action="store_true", help="import: objects that do not say so take no other fields")
    parser.add_argument("--enforce", action="store_true", help="import: rules of taint, order and quota refuse at once")
    parser.add_argument("--dry-run", action="store_true", help="import: only say what would be done")
    parser.add_argument("--json", action="store_true", help="print JSON instead")
    add_data(parser)


def run(args: argparse.Namespace) -> int:
    """Does one of them."""
    if args.what in ("import", "approve", "grant", "refuse") and not args.of:
        args.parser.error(f"{args.what} needs one more word")
    if args.what == "approve" and not args.hash:
        args.parser.error("approve needs the hash of the definition that was read")
    if args.what == "import":
        return asyncio.run(_import(args))
    return asyncio.run(_other(args))


async def _import(args: argparse.Namespace) -> int:
    from cli.tool_import import read

    try:
        text = Path(args.of).read_text(encoding="utf-8")  # noqa: ASYNC240 - nothing else runs yet
    except (OSError, UnicodeError):
        raise CliError(f"{args.of} cannot be read") from None
    found = read(text, args.risk, close=args.close)
    rows = [await _checked(each, args) for each in found]
    if not args.dry_run:
        rows = await _registered(rows, args)
    if args.json:
        print_json({"tools": [{key: value for key, value in row.items() if key != "message"} for row in rows]})
    else:
        for row in rows:
            more = "; ".join([row["why"], *row["notes"]] if row["why"] else row["notes"])
            out().print(f"{row['result']:<11} {row['risk']:<11} {row['tool']}" + (f"  {more}" if more else ""))
    return 1 if any(row["result"] == "refused" for row in rows) else 0


async def _checked(found: Any, args: argparse.Namespace) -> dict[str, Any]:
    """By the rules that the service itself has, so that a dry run says what would happen."""
    from hauberk.guardrail.v1 import guardrail_service_pb2 as pb

    from services.guardrail.policy.definition import DefinitionError, define
    from services.kit.validation import violations_of

    tool = pb.Tool(
        tool=found.name,
        schema_json=found.schema,
        permission=args.permission,
        description=found.description,
        risk=pb.ToolRisk.Value(f"TOOL_RISK_{found.risk.upper()}"),
        mode=pb.TOOL_MODE_ENFORCE if args.enforce else pb.TOOL_MODE_OBSERVE,
    )
    why = found.refused
    if not why and (wrong := violations_of(tool)):
        why = f"{wrong[0].field}: {wrong[0].rule}"
    if not why:
        try:
            define(tool.tool, tool.schema_json, tool.permission, tool.description)
        except DefinitionError as error:
            why = str(error)
    result = "refused" if why else "taken"
    row = {"tool": found.name, "result": result, "risk": found.risk, "why": why, "notes": list(found.notes)}
    return {**row, "message": tool}


async def _registered(rows: list[dict[str, Any]], args: argparse.Namespace) -> list[dict[str, Any]]:
    from hauberk.guardrail.v1 import guardrail_service_pb2 as pb

    from cli.asking import TIMEOUT

    async with _guardrail(args) as (stub, proof):
        for row in rows:
            if row["result"] == "taken":
                request = pb.PutToolRequest(tool=row["message"])
                answer = await stub.PutTool(request, timeout=TIMEOUT, metadata=await proof())
                row["definition_hash"] = answer.definition_hash
                if answer.waits:
                    row["result"], row["why"] = "waits", f"changed: hauberk tools approve {row['tool']} HASH"
    return rows


async def _other(args: argparse.Namespace) -> int:
    from google.protobuf import json_format

    from cli.asking import TIMEOUT

    method, request = _question(args)
    async with _guardrail(args) as (stub, proof):
        answer = await getattr(stub, method)(request, timeout=TIMEOUT, metadata=await proof())
    if args.json:
        print_json(json_format.MessageToDict(answer, preserving_proto_field_name=True))
        return 0
    for line in _lines(answer):
        out().print(line)
    return 0


def _question(args: argparse.Namespace) -> tuple[str, Any]:
    from hauberk.guardrail.v1 import guardrail_service_pb2 as pb

    grant = pb.APPROVAL_VERDICT_GRANT if args.what == "grant" else pb.APPROVAL_VERDICT_REFUSE
    return {
        "list": ("ListTools", pb.ListToolsRequest(page_size=200)),
        "waiting": ("ListTools", pb.ListToolsRequest(page_size=200, waiting=True)),
        "approve": ("ApproveTool", pb.ApproveToolRequest(tool=args.of, definition_hash=args.hash)),
        "approvals": ("ListApprovals", pb.ListApprovalsRequest(page_size=200)),
        "grant": ("DecideApproval", pb.DecideApprovalRequest(approval=args.of, verdict=grant)),
        "refuse": ("DecideApproval", pb.DecideApprovalRequest(approval=args.of, verdict=grant)),
    }[args.what]


def _lines(answer: Any) -> list[str]:
    from hauberk.guardrail.v1 import guardrail_service_pb2 as pb

    if isinstance(answer, pb.ListToolsResponse):
        risk = [pb.ToolRisk.Name(tool.risk).removeprefix("TOOL_RISK_").lower() for tool in answer.tools]
        return [
            f"{tool.tool}  {named}  {tool.permission}  {tool.definition_hash}"
            for tool, named in zip(answer.tools, risk, strict=True)
        ] or ["none"]
    if isinstance(answer, pb.ListApprovalsResponse):
        return [
            f"{row.approval}  {pb.ApprovalState.Name(row.state).removeprefix('APPROVAL_STATE_').lower()}  "
            f"{row.user}  {row.tool}  {row.arguments_json}"
            for row in answer.approvals
        ] or ["none"]
    if isinstance(answer, pb.DecideApprovalResponse):
        return [pb.ApprovalState.Name(answer.state).removeprefix("APPROVAL_STATE_").lower()]
    return ["approved"]


def _guardrail(args: argparse.Namespace) -> Any:
    from contextlib import asynccontextmanager

    from hauberk.guardrail.v1.guardrail_service_pb2_grpc import GuardrailServiceStub

    from cli.asking import reach
    from cli.members import Administrator

    @asynccontextmanager
    async def opened() -> Any:
        async with reach(args.data) as stack:
            yield GuardrailServiceStub(stack.channel("guardrail")), Administrator(stack).metadata

    return opened()
