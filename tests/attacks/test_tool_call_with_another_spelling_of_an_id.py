"""Ids in other spellings: each is another id, and no id of the user's; none is decoded, trimmed or folded."""

from __future__ import annotations

import json

from embedded.stack import Stack
from tests.attacks.toolbox import READ, READ_BRAND
from tests.support.backend import Backend, allowed, fresh, said


async def test_a_spelling_opens_nothing(target: Stack, backend: Backend) -> None:
    tool = await backend.tool(READ_BRAND, READ)
    admission = await backend.admitted(await backend.member(fresh("user")))
    for brand in (target.brand, target.other.brand):
        spellings = [
            brand.upper(), f" {brand}", f"{brand} ", f"{brand}\n", f"{brand}\x00", f"0{brand}", f"./{brand}",
            f"{brand}/", "*", "",
            brand.replace("-", "%2D"), brand.replace("-", "%252d"), brand.replace("-", "\u2010"), f"{brand}\u200b",
            brand.replace("a", "\u0430"), f"{target.other.organisation}/{brand}", f"Brand::{brand}", f"{brand}'--",
        ]  # fmt: skip
        for spelling in spellings:
            if spelling == target.brand:
                continue
            answer = await backend.call_tool(admission, tool, json.dumps({"brand": spelling}))
            assert said(answer) == "DENY NOT_PERMITTED", ascii(spelling)
    escaped = "".join(f"\\u{ord(c):04x}" for c in target.other.brand)
    assert not allowed(await backend.call_tool(admission, tool, f'{{"brand": "{escaped}"}}'))


async def test_a_number_as_text_and_a_text_as_number_are_refused(target: Stack, backend: Backend) -> None:
    tool = await backend.tool(READ_BRAND, READ)
    admission = await backend.admitted(await backend.member(fresh("user")))
    for limit in ('"5"', '"05"', "05", "0x5", "5e400", "+5", "true", '"\u0665"', "[5]"):
        text = f'{{"brand": "{target.brand}", "limit": {limit}}}'
        assert said(await backend.call_tool(admission, tool, text)) == "DENY TOOL_CALL_REFUSED", limit
    for brand in ("7", "null", "[]", f'["{target.brand}"]', f'{{"id": "{target.brand}"}}'):
        assert said(await backend.call_tool(admission, tool, f'{{"brand": {brand}}}')) == "DENY TOOL_CALL_REFUSED"
