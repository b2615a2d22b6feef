"""AuthZEN 1.0 without any input or output: what is asked, and what the answers look like.

Unknown members are ignored, as that standard wants it; nothing that a request claims about a subject or a resource is
believed, for the facts are those on record.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
MOST = 200
USER = "user"
_EXECUTE_ALL = "execute_all"
# After which decision the rest is left out.
_SEMANTICS: Mapping[str, bool | None] = {
    _EXECUTE_ALL: None,
    "deny_on_first_deny": False,
    "permit_on_first_permit": True,
}
_ENTITIES: Mapping[str, tuple[str, ...]] = {"subject": ("type", "id"), "action": ("name",), "resource": ("type", "id")}
_ACTION = re.compile(r"(?=.{1,64}$)[a-z]+([._][a-z]+)*")
_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,255}")


class WrongRequest(ValueError):
    """A request that asks nothing: which member is wrong, and what was expected."""

    def __init__(self, member: str, rule: str) -> None:
        super().__init__(member)
        self.member = member
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Question:
    """May this subject do this to that? As asked, in the words of the client."""

    subject: tuple[str, str]
    action: str
    resource: tuple[str, str]
    action_properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Batch:
    """Questions in order, one that cannot be read as what is wrong with it; `ends_at` = the decision that ends it."""

    questions: Sequence[Question | WrongRequest]
    ends_at: bool | None


@dataclass(frozen=True, slots=True)
class Words:
    """How a deployment's clients name types and actions of its policies; what is not listed is named alike."""

    types: Mapping[str, str] = field(default_factory=dict)
    actions: Mapping[str, str] = field(default_factory=dict)

    def translated(self, question: Question) -> tuple[str, str, str] | None:
        """Action, type and id in the words of the policies; None for what no policy can speak of."""
        kind, name = question.resource
        action = self._action(question)
        kind = self.types.get(kind, kind)
        fits = _ACTION.fullmatch(action) and _TYPE.fullmatch(kind) and _ID.fullmatch(name)
        return (action, kind, name) if fits else None

    def _action(self, question: Question) -> str:
        # A property of an action is part of what is asked for, no fact about anything: it may select an action.
        for name, value in sorted(question.action_properties.items()):
            text = {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
            if (found := self.actions.get(f"{question.action}?{name}={text}")) is not None:
                return found
        return self.actions.get(question.action, question.action)


def question_of(data: Mapping[str, Any]) -> Question:
    """Raises WrongRequest for a required member that is missing or of a wrong type."""
    found = {name: _entity(name, data.get(name), required) for name, required in _ENTITIES.items()}
    if not isinstance(data.get("context", {}), dict):
        raise WrongRequest("context", "an object")
    subject, action, resource = found["subject"], found["action"], found["resource"]
    return Question(
        (subject["type"], subject["id"]),
        action["name"],
        (resource["type"], resource["id"]),
        action.get("properties", {}),
    )


def batch_of(data: Mapping[str, Any]) -> Batch | None:
    """None when there is no list of evaluations: then it is a single one. Raises WrongRequest."""
    listed = data.get("evaluations", [])
    if not isinstance(listed, list):
        raise WrongRequest("evaluations", "a list")
    if len(listed) > MOST:
        raise WrongRequest("evaluations", f"at most {MOST}")
    options = data.get("options", {})
    if not isinstance(options, dict):
        raise WrongRequest("options", "an object")
    semantic = options.get("evaluations_semantic", _EXECUTE_ALL)
    if not isinstance(semantic, str) or semantic not in _SEMANTICS:
        raise WrongRequest("options.evaluations_semantic", f"one of {', '.join(_SEMANTICS)}")
    if not listed:
        return None
    return Batch([_one(data, item, f"evaluations[{n}]") for n, item in enumerate(listed)], _SEMANTICS[semantic])


def shortened(answers: Sequence[Json], ends_at: bool | None) -> list[Json]:
    """The answers up to the one that ends the batch, that one with them."""
    kept: list[Json] = []
    for answer in answers:
        kept.append(answer)
        if answer["decision"] is ends_at:
            break
    return kept


def refusal(reason: str) -> Json:
    """No, and why."""
    return {"decision": False, "context": {"reason": reason}}


def wrong(error: WrongRequest) -> Json:
    """No, for want of a question: of one in a batch, whose others are answered."""
    message = f"{error.member}: {error.rule}"
    return {"decision": False, "context": {"error": {"status": 400, "message": message}}}


def _one(defaults: Mapping[str, Any], item: Any, where: str) -> Question | WrongRequest:
    if not isinstance(item, dict):
        return WrongRequest(where, "an object")
    try:
        return question_of({name: _merged(defaults.get(name), item, name) for name in (*_ENTITIES, "context")})
    except WrongRequest as error:
        return WrongRequest(f"{where}.{error.member}", error.rule)


def _merged(default: Any, item: Mapping[str, Any], name: str) -> Any:
    """An entity replaces the default as a whole; only what makes it an entity at all is taken over where it lacks."""
    if name not in item:
        return {} if name == "context" and default is None else default
    own = item[name]
    if isinstance(own, dict) and isinstance(default, dict):
        return {**{part: default[part] for part in _ENTITIES.get(name, ()) if part in default}, **own}
    return own


def _entity(name: str, value: Any, required: Sequence[str]) -> Mapping[str, Any]:
    if value is None:
        raise WrongRequest(name, "required")
    if not isinstance(value, dict):
        raise WrongRequest(name, "an object")
    for part in required:
        if part not in value:
            raise WrongRequest(f"{name}.{part}", "required")
        if not isinstance(value[part], str) or not value[part]:
            raise WrongRequest(f"{name}.{part}", "a text that is not empty")
    if not isinstance(value.get("properties", {}), dict):
        raise WrongRequest(f"{name}.properties", "an object")
    return value
