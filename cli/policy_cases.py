"""Policy tests: YAML cases, and what the policies say about them. No service and no store is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cli.errors import CliError
from services.kit.settings import SettingsError
from services.tenancy.bootstrap import load_engine
from services.tenancy.policy import Circumstances, Decision, Engine, Member, Resource, own
from services.tenancy.policy.index import Index
from services.tenancy.policy.model import LONG_AGO
from services.tenancy.policy.statement import Policy
from services.tenancy.settings import TenancySettings


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Principal(_Strict):
    """Who asks. No `brands` means all of them, as in the contract."""

    user: str
    roles: tuple[str, ...] = ()
    brands: tuple[str, ...] | None = None


class Target(_Strict):
    """What it is on; `organisation` is the case's own unless another one is named."""

    type: str
    id: str
    organisation: str = ""
    owner: str = ""
    brand: str = ""
    labels: frozenset[str] = frozenset()


class Context(_Strict):
    """What a policy may know beside that."""

    scopes: frozenset[str] = frozenset()
    brand: str = ""
    zone: str = "UTC"
    plan: str = ""
    actor: str = ""
    acr: str = ""
    methods: tuple[str, ...] = ()
    age: int = Field(default=LONG_AGO, ge=0)


class Case(_Strict):
    """One question and the answer it should get."""

    name: str
    principal: Principal
    action: str
    resource: Target
    context: Context = Context()
    expect: Literal["allow", "deny"]
    reason: str | None = None
    policies: tuple[str, ...] | None = None


class File(_Strict):
    """A file of cases, with the policies that an organisation adds (paths beside the file)."""

    organisation: str
    policies: tuple[str, ...] = ()
    cases: tuple[Case, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a case; `wrong` is empty when it is as expected."""

    file: str
    case: Case
    decision: Decision
    wrong: str


class Suite:
    """One file, ready to be asked; raises CliError when it, or a policy of it, cannot be used."""

    def __init__(self, path: Path, defaults: Engine) -> None:
        self.name = path.stem
        try:
            self._file = File.model_validate(yaml.safe_load(read(path)))
        except (ValidationError, yaml.YAMLError) as error:
            raise CliError(f"{path}: {_first(error)}") from None
        source = "\n".join(read(path.parent / name) for name in self._file.policies)
        policies, broken = reviewed(defaults, self._file.organisation, source)
        if broken:
            raise CliError(f"{path}: {broken[0].policy}: {broken[0].rule}")
        index = Index()
        index.add(policies)
        self._engine = defaults.with_own(1, index) if policies else defaults

    @property
    def cases(self) -> tuple[Case, ...]:
        """In the order of the file."""
        return self._file.cases

    def results(self) -> Iterator[Result]:
        """Every case, decided."""
        for case in self.cases:
            decision = self._engine.evaluate(self._file.organisation, *self._question(case), _given(case))
            yield Result(self.name, case, decision, _wrong(case, decision))

    def matched(self, case: Case) -> list[tuple[Policy, bool | None]]:
        """The policies whose heads meet a case, and whether their conditions hold (None: cannot be evaluated)."""
        member, action, resource = self._question(case)
        if (action, resource.type) not in self._engine.language.asked:
            return []
        return self._engine.satisfied(self._file.organisation, member, (action, resource), _given(case))

    def _question(self, case: Case) -> tuple[Member, str, Resource]:
        who, what = case.principal, case.resource
        member = Member(who.user, who.roles, frozenset(who.brands or ()), who.brands is None)
        organisation = what.organisation or self._file.organisation
        return member, case.action, Resource(what.type, what.id, organisation, what.owner, what.brand, what.labels)


def defaults(folder: Path | None) -> Engine:
    """The default policies: the shipped ones, or those of a folder."""
    try:
        return load_engine(folder or TenancySettings.load({}).tenancy_policies)
    except SettingsError as error:
        raise CliError(str(error)) from None


def reviewed(engine: Engine, organisation: str, source: str) -> tuple[tuple[Policy, ...], tuple[own.Violation, ...]]:
    """An organisation's policies, and every rule that one of them breaks."""
    found = own.finished(own.read(engine.language, organisation, source))
    return found.policies, found.violations or own.validated(engine.language, found.policies)


def read(path: Path) -> str:
    """The text of a file."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise CliError(f"{path} cannot be read ({type(error).__name__})") from None


def _given(case: Case) -> Circumstances:
    said = case.context
    return Circumstances(said.scopes, said.brand, said.zone, said.plan, said.actor, said.acr, said.methods, said.age)


def _wrong(case: Case, decision: Decision) -> str:
    outcome = "allow" if decision.allowed else "deny"
    if outcome != case.expect:
        return f"expected {case.expect}, is {outcome} ({decision.cause.value}; {', '.join(decision.policies) or '-'})"
    if case.reason is not None and case.reason != decision.cause.value:
        return f"expected the reason {case.reason}, is {decision.cause.value}"
    if case.policies is not None and sorted(case.policies) != list(decision.policies):
        return f"expected {', '.join(sorted(case.policies)) or '-'}, decided by {', '.join(decision.policies) or '-'}"
    return ""


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        found = error.errors()[0]
        return f"{'.'.join(map(str, found['loc'])) or 'file'}: {found['msg']}"
    return "is not YAML"
