"""Requests of the responses interface. Nothing is left with the provider: a conversation comes whole, every time."""

from __future__ import annotations

from hauberk.common.v1 import decision_pb2 as decision

from gateway.edge.openai.asked import MAX_TOKENS, Asked
from gateway.edge.openai.chat_request import content, describe, tool_choice
from gateway.edge.openai.strict import Json, Refused
from gateway.edge.openai.texts import ROLES, Found, count, model, name, objects, settings, switch, unsupported

_SETTINGS = frozenset(
    {"temperature", "top_p", "parallel_tool_calls", "service_tier", "truncation", "max_tool_calls", "store"}
)
_READ = frozenset({"model", "input", "instructions", "tools", "tool_choice", "stream", "stream_options"}) | {
    "max_output_tokens"
}
# What refers to words that are kept elsewhere, and so cannot be looked at.
_UNSUPPORTED = ("previous_response_id", "conversation", "prompt", "background", "top_logprobs", "include")
_PARTS = {"input_text": "text", "output_text": "text", "text": "text", "refusal": "refusal"}


def read_responses(body: Json) -> Asked:
    """The request in this body; raises Refused when any of it cannot be understood."""
    unsupported(body, _UNSUPPORTED)
    settings(body, _SETTINGS)
    found = Found()
    if body.get("instructions") is not None:
        found.words(body, "instructions", decision.ROLE_SYSTEM, "instructions")
    if isinstance(body.get("input"), str):
        found.words(body, "input", decision.ROLE_USER, "input")
    else:
        for index, item in enumerate(objects(body.get("input"), "input")):
            _item(item, f"input[{index}]", found)
    for index, tool in enumerate(objects(body.get("tools") or [], "tools")):
        if tool.get("type") != "function":
            raise Refused("unsupported_tool", "Only functions can be authorised here.", f"tools[{index}]")
        describe(tool, f"tools[{index}]", found, {"type", "name"})
    tool_choice(body.get("tool_choice"))
    if body.get("stream_options"):
        raise Refused("unsupported_parameter", "An unknown option.", "stream_options")
    found.other(body, _READ | _SETTINGS, "body", decision.ROLE_USER)
    body["store"] = False  # what is kept at the provider could be asked for past every guard
    asked = Asked("responses", body, found, model(body), switch(body, "stream"), "max_output_tokens")
    asked.stated = count(body, "max_output_tokens", MAX_TOKENS)
    return asked.check()


def _item(item: Json, param: str, found: Found) -> None:
    kind = item.get("type", "message")
    for key in ("id", "status"):
        name(item, key, param, needed=False)
    if kind == "message":
        spoken = item.get("role")
        role = ROLES.get(spoken) if isinstance(spoken, str) and spoken != "tool" else None
        if role is None:
            raise Refused("invalid_value", "A role is expected here.", f"{param}.role")
        content(item, param, role, found, _PARTS)
        found.other(item, {"type", "role", "content", "id", "status"}, param, role)
    elif kind == "function_call":
        name(item, "call_id", param)
        name(item, "name", param)
        if item.get("arguments") is not None:
            found.words(item, "arguments", decision.ROLE_ASSISTANT, f"{param}.arguments")
        found.other(item, {"type", "id", "status", "call_id", "name", "arguments"}, param, decision.ROLE_ASSISTANT)
    elif kind == "function_call_output":
        name(item, "call_id", param)
        content(item, param, decision.ROLE_TOOL, found, _PARTS, "output")
        found.other(item, {"type", "id", "status", "call_id", "output"}, param, decision.ROLE_TOOL)
    else:
        raise Refused("unsupported_content_part", "This kind of item cannot be inspected here.", param)
