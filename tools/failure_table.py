"""Writes the tables of docs/failure-modes.md from code and data: python -m tools.failure_table [--check].

Stages come from `gateway.stages`, limits from `policies/ratelimit.yaml`, what is broken on purpose from the tests' own
list. What each service depends on is read from its imports and channels, and must be described here: a new dependency
without a word about its failure is an error.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from gateway.stages import CHAINS, OnFailure, Stage
from services.ratelimit.adapters.policy_file import load_policy
from services.ratelimit.policy import OnExpiry, OnStoreError, PolicyDocument, Unit
from services.ratelimit.policy.document import LimitRule
from tests.support import fault_cases

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "failure-modes.md"
POLICY = ROOT / "policies" / "ratelimit.yaml"
BEGIN = "<!-- written by tools/failure_table.py: do not edit between these lines -->"
END = "<!-- end of what tools/failure_table.py writes -->"

# Where each process's code is. The kit's `run` is what every process but the gateway does beside its own work.
SOURCES: Mapping[str, Path] = {
    "gateway": ROOT / "gateway",
    "auth": ROOT / "services" / "auth",
    "tenancy": ROOT / "services" / "tenancy",
    "ratelimit": ROOT / "services" / "ratelimit",
    "redaction": ROOT / "services" / "redaction",
    "guardrail": ROOT / "services" / "guardrail",
    "context-token": ROOT / "services" / "context_token",
    "audit": ROOT / "services" / "audit",
    "every service": ROOT / "services" / "kit" / "run.py",
}
OUTSIDE = {
    "services.kit.redis": "redis",
    "services.kit.postgres": "postgres",
    "services.auth.adapters.jwks.source": "issuer",
    "services.auth.adapters.siteverify": "challenge provider",
    "services.tenancy.adapters.resource_owner": "resource owner",
    "services.redaction.ner.process": "processes for names",
}

# (who, needs): what happens without it.
CONSEQUENCES: Mapping[tuple[str, str], str] = {
    ("gateway", "auth"): "`Admit` is refused at `auth` or `admission`; answers and tool calls at `admission`",
    ("gateway", "tenancy"): "`Admit` is refused at `tenancy`",
    ("gateway", "ratelimit"): "`address` passes, marked degraded; `Admit` is refused at `ratelimit`",
    ("gateway", "redaction"): "refused at `redaction` or `restore`; what `Admit` had reserved is given back",
    ("gateway", "guardrail"): "refused at `guardrail`, `output`, `restore` (of a tool call) or `tool`",
    ("gateway", "context-token"): "`Admit` with a handoff is refused at `context`; every other one is served",
    ("auth", "postgres"): "UNAVAILABLE, except for a key or session accepted at most 5 s ago, its epochs in Redis",
    ("auth", "redis"): "UNAVAILABLE: without revocation epochs nobody is let in, and no admission is opened or found",
    ("auth", "tenancy"): "UNAVAILABLE, except for a membership that was confirmed at most 5 s ago",
    ("auth", "context-token"): "a context token as credential: UNAVAILABLE; every other kind is served",
    ("auth", "ratelimit"): "refused credentials are not counted against their address; who is let in does not change",
    ("auth", "issuer"): "its last good keys serve for a day; after that, and for a new key: UNAVAILABLE",
    ("auth", "challenge provider"): "a solved challenge is not believed: denied, or stepped up by the brand's choice",
    ("tenancy", "postgres"): "UNAVAILABLE, except for facts that were read at most 2 s ago; policies stay in force",
    ("tenancy", "auth"): "a member is removed, but it is UNAVAILABLE until what they hold is revoked: ask again",
    ("tenancy", "resource owner"): "the resources of that type are unknown, so every action on them is refused",
    ("ratelimit", "redis"): "each limit as the table above says, at once after 5 failures;"
    " commit, release, extend and inspect: UNAVAILABLE",
    ("ratelimit", "postgres"): "nothing is granted (UNAVAILABLE); grants that were read stay, each to its own end;"
    " charges wait in Redis (50 000 of an organisation, then nothing more is reserved); budgets that Redis has lost are"
    " refused",
    ("redaction", "redis"): "UNAVAILABLE for `Redact` and `Restore`; `Detect` goes on",
    ("redaction", "postgres"): "an organisation's rules that were read stay in force; UNAVAILABLE where none were read"
    " yet, and for changes of them",
    ("redaction", "tenancy"): "an organisation's rules cannot be changed (UNAVAILABLE); texts are served",
    ("redaction", "processes for names"): "late or dead: UNAVAILABLE, or patterns alone and marked degraded, as"
    " `names.when_late` says (closed by default); replaced",
    ("guardrail", "postgres"): "tools are not known, so tool calls are UNAVAILABLE; texts are still inspected",
    ("guardrail", "redaction"): "an answer cannot be searched for leaked data: UNAVAILABLE",
    ("guardrail", "tenancy"): "no tool is shown or allowed: UNAVAILABLE",
    ("context-token", "redis"): "UNAVAILABLE: nothing is issued, redeemed or revoked",
    ("context-token", "tenancy"): "nothing is issued (UNAVAILABLE); redeem and revoke are served",
    ("audit", "postgres"): "UNAVAILABLE; events wait in the spool of whoever reports them, and arrive later",
    ("every service", "audit"): "decisions wait on disk; a change of who may do what is not made (UNAVAILABLE)",
    (
        "every service",
        "auth",
    ): "the last public keys stay in use for 300 s, before the first set: UNAVAILABLE; 3 s after"
    " the last word of revocations each call would have to ask auth, so it is UNAVAILABLE",
}
STAGE_WORDS = {OnFailure.CLOSED: "refused", OnFailure.OPEN: "passed, marked degraded"}
EXPIRY_WORDS = {OnExpiry.REFUND: "given back", OnExpiry.CHARGE: "charged as reserved"}


class UndescribedError(ValueError):
    """Code and descriptions disagree about who depends on what."""


def store_words(document: PolicyDocument) -> dict[OnStoreError, str]:
    """What a limit answers without Redis, in words."""
    share = document.degraded.share_permille / 10
    return {
        OnStoreError.CLOSED: "refused (UNAVAILABLE)",
        OnStoreError.OPEN: "allowed, marked degraded",
        OnStoreError.DEGRADE: f"each process gives {share:g} % of the limit by itself, marked degraded",
    }


def dependencies(source: Path) -> set[str]:
    """Stores that a service imports and peers that it opens a channel to."""
    files = [source] if source.is_file() else sorted(source.rglob("*.py"))
    found: set[str] = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module in OUTSIDE:
                found.add(OUTSIDE[node.module])
            found.update(_peer(node))
    return found


def _peer(node: ast.AST) -> Iterator[str]:
    if not isinstance(node, ast.Call) or len(node.args) != 1:
        return
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    argument = node.args[0]
    if name == "channel" and isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        yield argument.value


def check_described(
    sources: Mapping[str, Path] = SOURCES, described: Mapping[tuple[str, str], str] = CONSEQUENCES
) -> None:
    """Raises UndescribedError when a dependency has no words, or words have no dependency."""
    found = {(who, needs) for who, source in sources.items() for needs in dependencies(source)}
    missing = sorted(found - described.keys())
    left = sorted(described.keys() - found)
    lines = [f"{who} depends on {needs}, and nothing says what happens without it" for who, needs in missing]
    lines += [f"{who} does not depend on {needs} any more" for who, needs in left]
    if lines:
        raise UndescribedError("; ".join(lines))


def tables(chains: Mapping[str, Sequence[Stage]], document: PolicyDocument) -> str:
    """Stages of each chain, limits, dependencies, and what the tests break."""
    titles = ("#", "stage", "service", "runs after", "when it cannot decide", "share of the deadline")
    parts = []
    for chain, stages in chains.items():
        parts += [f"### Stages of `{chain}`", _table(titles, _stages(stages))]
    parts += [
        f"### Limits (policy version {document.version})",
        _table(
            ("limit", "counts for", "per", "without Redis", "a reservation nobody settled", "mode"), _limits(document)
        ),
        "### Dependencies",
        _table(("who", "needs", "without it"), [(who, needs, words) for (who, needs), words in CONSEQUENCES.items()]),
        "### What is broken on purpose",
        f"`tests/integration/test_failure_injection.py` breaks each of these in each way, {_count()} cases in all,"
        " under the real chains and\nthe other real services. None is allowed in silence, and no word of"
        " a cause gets out.",
        _table(("fault", "what happens"), [(fault.value, words) for fault, words in fault_cases.WORDS.items()]),
        _table(("where", "what is broken", "faults", "what is seen"), _injected(chains)),
    ]
    return "\n\n".join(parts)


def _count() -> int:
    hops = len(fault_cases.HOPS) + len(fault_cases.CHECK_HOPS) + len(fault_cases.STREAM_HOPS)
    peers = hops + len(fault_cases.INNER) + len(fault_cases.BESIDE)
    return peers * len(fault_cases.PEER_FAULTS) + len(fault_cases.STORES) * len(fault_cases.STORE_FAULTS)


def _injected(chains: Mapping[str, Sequence[Stage]]) -> Iterator[Sequence[str]]:
    peer, store = (", ".join(faults) for faults in (fault_cases.PEER_FAULTS, fault_cases.STORE_FAULTS))
    for stream, hops in ((False, fault_cases.HOPS + fault_cases.CHECK_HOPS), (True, fault_cases.STREAM_HOPS)):
        for hop in hops:
            chain = "CompleteStream" if stream else hop.chain
            (stage,) = [stage for stage in chains[hop.chain] if stage.name == hop.stage]
            seen = STAGE_WORDS[stage.on_failure]
            if stage.on_failure is OnFailure.OPEN:
                seen += "; an empty answer is a refusal"
            yield f"`{chain}`, `{hop.stage}`", f"{hop.peer}.{hop.method}", peer, seen
    for inner in fault_cases.INNER:
        seen = f"`{inner.chain}` refused at `{inner.stage}`"
        yield f"inside {inner.service}", f"{inner.peer}.{inner.method}", peer, seen
    for own, asked, method, words in fault_cases.BESIDE:
        yield f"beside the chains, {own}", f"{asked}.{method}", peer, words
    for case in fault_cases.STORES:
        seen = f"`{case.chain}` refused at `{case.stage}`" if case.stage else f"allowed; {case.seen}"
        broken = f"{case.store}, while Redis has lost the budgets" if case.lost else case.store
        yield f"inside {case.service}", broken, store, seen


def _stages(stages: Sequence[Stage]) -> Iterator[Sequence[str]]:
    for number, stage in enumerate(stages, start=1):
        after = ", ".join(f"`{need}`" for need in stage.needs) or "-"
        means = f"{stage.on_failure.value}: {STAGE_WORDS[stage.on_failure]}"
        yield str(number), f"`{stage.name}`", stage.service, after, means, f"{stage.share:.0%}"


def _limits(document: PolicyDocument) -> Iterator[Sequence[str]]:
    words = store_words(document)
    for rule in document.limits:
        without = f"{rule.on_store_error.value}: {words[rule.on_store_error]}"
        expiry = f"{rule.on_expiry.value}: {EXPIRY_WORDS[rule.on_expiry]}"
        subject = rule.subject.value.replace("_", " ")
        yield f"`{rule.id}`", subject, _window(rule), without, expiry, rule.mode


def _window(rule: LimitRule) -> str:
    unit = "micro-USD" if rule.unit is Unit.MICRO_USD else rule.unit.value
    return f"{unit} / {f'{rule.window} s' if isinstance(rule.window, int) else str(rule.window)}"


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def merged(text: str, written: str) -> str:
    """The document with everything between the markers replaced; raises ValueError when they are not there once."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError("the document has not exactly one pair of markers, in order")
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n\n{written}\n\n{END}{rest.split(END)[1]}"


def main(argv: Sequence[str] | None = None, document: Path = DOCUMENT) -> int:
    """Writes, or with --check fails when the document is not up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail when the document is not up to date")
    options = parser.parse_args(argv)
    try:
        check_described()
    except UndescribedError as error:
        sys.stderr.write(f"tools/failure_table.py: {error}\n")
        return 1
    text = document.read_text(encoding="utf-8")
    fresh = merged(text, tables(CHAINS, load_policy(POLICY)))
    if options.check:
        if fresh != text:
            sys.stderr.write(f"docs/{document.name} is not up to date: run python -m tools.failure_table\n")
        return int(fresh != text)
    document.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
