"""What came of policy tests, for people and for a CI system."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from cli.errors import CliError
from cli.policy_cases import Result
from services.tenancy.policy.statement import Policy

_SAID = {True: ("holds", "green"), False: ("does not hold", "dim"), None: ("cannot be evaluated: denies", "red")}


def table(results: Sequence[Result]) -> Table:
    """One line per case."""
    made = Table(box=None, pad_edge=False, show_header=False)
    for result in results:
        mark = Text("failed", "red") if result.wrong else Text("ok", "green")
        made.add_row(mark, Text(result.file), Text(result.case.name), Text(result.wrong))
    return made


def junit(results: Sequence[Result], path: Path) -> None:
    """Writes JUnit XML, a suite for each file."""
    root = ET.Element("testsuites")
    for file in dict.fromkeys(result.file for result in results):
        own = [result for result in results if result.file == file]
        failed = sum(bool(result.wrong) for result in own)
        suite = ET.SubElement(root, "testsuite", name=file, tests=str(len(own)), failures=str(failed), errors="0")
        for result in own:
            case = ET.SubElement(suite, "testcase", classname=file, name=result.case.name)
            if result.wrong:
                ET.SubElement(case, "failure", message=result.wrong)
    try:
        ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise CliError(f"{path} cannot be written ({type(error).__name__})") from None


def explanation(result: Result, matched: Sequence[tuple[Policy, bool | None]]) -> Table:
    """The policies whose heads meet the question, and what each said."""
    made = Table(box=None, pad_edge=False, title_justify="left", show_header=False)
    outcome = "allowed" if result.decision.allowed else "denied"
    made.title = f"{result.file}: {result.case.name}: {outcome} ({result.decision.cause.value})"
    for policy, holds in matched:
        words, colour = _SAID[holds]
        decided = "decided" if policy.id in result.decision.policies else ""
        made.add_row(policy.effect, Text(policy.id), Text(words, colour), decided)
    if not matched:
        made.add_row("no policy is about this question, so it is denied")
    return made
