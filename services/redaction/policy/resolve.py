"""Overlaps: what is covered is the union of all findings, so no accepted character survives; one label each."""

from __future__ import annotations

from collections.abc import Iterable

from services.redaction.policy.model import LITERAL, Finding, Rules


def resolve(findings: Iterable[Finding], rules: Rules) -> list[Finding]:
    """Join overlapping findings; the label is that of the validated, surest, longest, first-ranked one."""
    ordered = sorted(findings, key=lambda f: (f.start, f.end))
    joined: list[Finding] = []
    group: list[Finding] = []
    reach = -1
    for finding in ordered:
        if group and finding.start >= reach:
            joined.append(_join(group, rules))
            group = []
            reach = -1
        group.append(finding)
        reach = max(reach, finding.end)
    if group:
        joined.append(_join(group, rules))
    return joined


def _join(group: list[Finding], rules: Rules) -> Finding:
    if len(group) == 1:
        return group[0]
    best = max(group, key=lambda f: (f.entity != LITERAL, f.validated, f.score, f.end - f.start, -rules.rank(f.entity)))
    return Finding(
        best.entity, min(f.start for f in group), max(f.end for f in group), best.score, validated=best.validated
    )
