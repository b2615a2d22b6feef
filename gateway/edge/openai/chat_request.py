"""Requests of chat completions."""

from __future__ import annotations

from typing import Any

from hauberk.common.v1 import decision_pb2 as decision

from gateway.edge.openai.asked import MAX_TOKENS, Asked
from gateway.edge.openai.strict import Json, Refused
from gateway.edge.openai.texts import ROLES, Found, Text, count, model, name, objects, settings, switch, unsupported

_SETTINGS = frozenset(
    {
        "temperature", "top_p", "top_k", "min_p", "seed", "presence_penalty", "frequency_penalty", "repetition_penalty",
        "parallel_tool_calls", "reasoning_effort", "verbosity", "service_tier", "store",
    }
)  # fmt: skip
_READ = frozenset({"model", "messages", "tools", "tool_choice", "stream", "stream_options", "n"}) | {
    "max_tokens",
    "max_completion_tokens",
}
# What brings words in or out by a way of its own.
_UNSUPPORTED = ("functions", "function_call", "audio", "prediction", "web_search_options", "logprobs", "top_logprobs")
_MESSAGE = frozenset({"role", "content", "name", "tool_calls", "tool_call_id", "refusal"})
_MAX_CHOICES = 16


def read_chat(body: Json) -> Asked:
    """The request in this body; raises Refused when any of it cannot be understood."""
    unsupported(body, _UNSUPPORTED)
    settings(body, _SETTINGS)
    if body.get("modalities") not in (None, ["text"]):
        raise Refused("unsupported_parameter", "Only text can be inspected here.", "modalities")
    found = Found()
    for index, message in enumerate(objects(body.get("messages"), "messages")):
        _message(message, f"messages[{index}]", found)
    for index, tool in enumerate(objects(body.get("tools") or [], "tools")):
        _tool(tool, f"tools[{index}]", found)
    tool_choice(body.get("tool_choice"))
    found.other(body, _READ | _SETTINGS | {"modalities"}, "body", decision.ROLE_USER)
    stream = switch(body, "stream")
    bound = "max_tokens" if body.get("max_tokens") is not None else "max_completion_tokens"
    stated = [count(body, key, MAX_TOKENS) for key in ("max_tokens", "max_completion_tokens")]
    if all(stated):
        raise Refused("invalid_value", "State one of max_tokens and max_completion_tokens.", "max_tokens")
    return Asked(
        "chat",
        body,
        found,
        model(body),
        stream,
        bound,
        stated=max(stated),
        choices=count(body, "n", _MAX_CHOICES) or 1,
        shows_usage=_shows_usage(body.get("stream_options")) or not stream,
    ).check()


def _shows_usage(options: Any) -> bool:
    if options is None:
        return False
    if not isinstance(options, dict) or any(not isinstance(value, bool) for value in options.values()):
        raise Refused("invalid_type", "Switches are expected here.", "stream_options")
    if not set(options) <= {"include_usage", "include_obfuscation"}:
        raise Refused("unsupported_parameter", "An unknown option.", "stream_options")
    return bool(options.get("include_usage"))


def _message(message: Json, param: str, found: Found) -> None:
    spoken = message.get("role")
    role = ROLES.get(spoken) if isinstance(spoken, str) else None
    if role is None:
        raise Refused("invalid_value", "A role is expected here.", f"{param}.role")
    name(message, "tool_call_id", param, needed=role == decision.ROLE_TOOL)
    content(message, param, role, found, {"text": "text", "refusal": "refusal"})
    if message.get("refusal") is not None:
        found.words(message, "refusal", role, f"{param}.refusal")
    if message.get("name") is not None:
        found.words(message, "name", role, f"{param}.name", name=True)
    for index, call in enumerate(objects(message.get("tool_calls") or [], f"{param}.tool_calls")):
        _call(call, f"{param}.tool_calls[{index}]", role, found)
    found.other(message, _MESSAGE, param, role)


def content(
    holder: Json, param: str, role: decision.Role.ValueType, found: Found, kinds: dict[str, str], key: str = "content"
) -> None:
    """A text, or parts of known kinds: `kinds` names where each has its words."""
    value = holder.get(key)
    if value is None:
        return
    if isinstance(value, str):
        found.words(holder, key, role, f"{param}.{key}")
        return
    for index, part in enumerate(objects(value, f"{param}.{key}")):
        place = f"{param}.{key}[{index}]"
        kind = part.get("type")
        if not isinstance(kind, str) or kind not in kinds:
            raise Refused("unsupported_content_part", "Only text can be inspected here.", place)
        if kinds[kind] not in part:
            raise Refused("invalid_type", "A text is expected here.", place)
        found.words(part, kinds[kind], role, place)
        found.other(part, {"type", kinds[kind]}, place, role)


def _call(call: Json, param: str, role: decision.Role.ValueType, found: Found) -> None:
    name(call, "id", param)
    function = call.get("function")
    if call.get("type", "function") != "function" or not isinstance(function, dict):
        raise Refused("unsupported_tool", "Only calls of functions can be inspected here.", param)
    name(function, "name", param)
    if function.get("arguments") is not None:
        found.words(function, "arguments", role, f"{param}.arguments")
    found.other(function, {"name", "arguments"}, param, role)
    found.other(call, {"id", "type", "function", "index"}, param, role)


def _tool(tool: Json, param: str, found: Found) -> None:
    function = tool.get("function")
    if tool.get("type") != "function" or not isinstance(function, dict):
        raise Refused("unsupported_tool", "Only functions can be authorised here.", param)
    describe(function, param, found, {"name"})
    found.other(tool, {"type", "function"}, param, decision.ROLE_SYSTEM)


def describe(function: Json, param: str, found: Found, known: set[str]) -> None:
    """A tool's own description, which nobody vouches for."""
    name(function, "name", param)
    source = decision.SOURCE_TOOL_DESCRIPTION
    if function.get("description") is not None:
        found.words(function, "description", decision.ROLE_SYSTEM, f"{param}.description", source=source)
    if function.get("parameters"):
        if not isinstance(function["parameters"], dict):
            raise Refused("invalid_type", "A schema is expected here.", f"{param}.parameters")
        found.texts.append(Text(function, "parameters", decision.ROLE_SYSTEM, source, json=True))
    found.other(function, known | {"description", "parameters"}, param, decision.ROLE_SYSTEM)


def tool_choice(value: Any) -> None:
    """Names a function of the request, or none; raises Refused for anything else."""
    if value in (None, "auto", "none", "required"):
        return
    chosen = value.get("function", value) if isinstance(value, dict) else None
    if not isinstance(chosen, dict) or value.get("type") != "function":
        raise Refused("unsupported_parameter", "A function of the request is expected here.", "tool_choice")
    name(chosen, "name", "tool_choice")
    if set(value) - {"type", "function", "name"} or set(chosen) - {"type", "name"}:
        raise Refused("unsupported_parameter", "A function of the request is expected here.", "tool_choice")
