"""The check of one tool call by the service's own code, with ports that answer from memory.

In it: the definition from its memory, strict JSON, the schema, every annotation, the summary of the conversation's
words, the rules, the digest. Not in it: tenancy's answer, PostgreSQL and the layers of a call; `toolcalls` has those.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from bench.rows import Row, row
from services.guardrail.adapters.remembered import RememberedTools
from services.guardrail.adapters.tool_policy_file import load_tool_rules
from services.guardrail.policy.calls import Past
from services.guardrail.policy.definition import define
from services.guardrail.policy.model import Part, Source
from services.guardrail.policy.taint import summary
from services.guardrail.policy.traits import Risk, Traits
from services.guardrail.ports import Answer, Question, Registered
from services.guardrail.settings import GuardrailSettings
from services.guardrail.tools import Asked, ToolCalls
from services.kit.caller import Caller
from services.kit.clock import SystemClock

_SCHEMA = {
    "type": "object",
    "required": ["brand", "to", "subject"],
    "properties": {
        "brand": {"type": "string", "x-resource": "Brand"},
        "to": {"type": "string", "maxLength": 200, "x-sensitive": True},
        "subject": {"type": "string", "maxLength": 200, "x-egress": True},
        "priority": {"enum": ["low", "normal", "high"]},
        "copies": {"type": "integer", "minimum": 1, "maximum": 5},
        "options": {"type": "object", "additionalProperties": False, "properties": {"receipt": {"type": "boolean"}}},
    },
}
_CALL = {
    "brand": "shop",
    "to": "dora@mail.example",
    "subject": "The price list you asked for",
    "priority": "normal",
    "copies": 1,
    "options": {"receipt": True},
}


class _Memory:
    """Every port, answering at once."""

    def __init__(self) -> None:
        definition = define("mail.send", json.dumps(_SCHEMA), "tools.call", "Sends a mail.", Traits(risk=Risk.EGRESS))
        self.found = Registered(definition, definition.hash)

    async def get(self, caller: Caller, tool: str, *, fresh: bool = False) -> Registered | None:
        """The one tool."""
        return self.found if (caller.organisation, tool, fresh) == ("bench", "mail.send", True) else None

    async def ask(self, token: str, questions: Sequence[Question]) -> list[Answer]:
        """The brand is the caller's."""
        own = {"shop"} if token else set()
        return [Answer.ALLOWED if asked.id in own else Answer.NOT_PERMITTED for asked in questions]

    @asynccontextmanager
    async def turn(self, _: Caller) -> AsyncIterator[_Memory]:
        """Nobody else is there."""
        yield self

    async def past(self, tool: str, conversation: str) -> tuple[Past, str]:
        """Nothing yet."""
        return (Past(), self.found.definition.hash) if tool and conversation else (Past(), "")

    async def record(self, *_: object) -> None:
        """Kept nowhere."""


async def tool_call(small: bool) -> Row:
    """One row; `allowed` says that every one was checked to its end."""
    n = 200 if small else 20_000
    memory: Any = _Memory()
    rules = load_tool_rules(GuardrailSettings.model_validate({}).guardrail_tool_policy)
    calls = ToolCalls(RememberedTools(memory, SystemClock()), memory, memory, memory, memory, rules)
    caller = Caller("bench", "ann", "shop", "txn", "gateway", "", 0)
    page = "Prices of this year, as of May, with the terms of delivery and of payment for every country. " * 20
    words = [Part(Source.USER, "Please mail dora@mail.example the price list"), Part(Source.RETRIEVED, page)]
    asked = Asked("mail.send", json.dumps(_CALL), conversation="c1", taint=summary(words))
    await calls.check(caller, "token", asked)
    taken: list[float] = []
    allowed, busy = 0, time.process_time()
    for _ in range(n):
        started = time.perf_counter()
        checked = await calls.check(caller, "token", asked)
        taken.append(time.perf_counter() - started)
        allowed += checked.allowed
    return row("tool call", taken, cpu_ms=round((time.process_time() - busy) * 1000 / n, 4), allowed=allowed)
