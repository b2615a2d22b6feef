"""Authorize against a model of roles, memberships and policies that knows neither Cedar nor the service's code."""

from __future__ import annotations

import pytest

from bench import agreement, permission_model
from bench.tenancy_house import opened


async def test_random_organisations_agree_with_the_model() -> None:
    async with opened() as house:
        found = await agreement.compare(house, 2_500, seed=5)
    assert (found["differing"], found["none"] > 100, found["not_permitted"] > 100) == (0, True, True)


async def test_a_model_that_is_wrong_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(permission_model.ROLES, "viewer", ("viewing", "using"))
    async with opened() as house:
        with pytest.raises(RuntimeError, match="not \\("):
            await agreement.compare(house, 2_500, seed=5)
