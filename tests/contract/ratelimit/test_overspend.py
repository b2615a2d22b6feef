"""The proof `overspend` at a small size: several processes, one exact budget, and everything that may go wrong."""

from __future__ import annotations

import pytest

from bench import overspend

pytestmark = pytest.mark.alone


async def test_several_processes_admit_exactly_what_fits() -> None:
    row = await overspend.race(1500, clients=2)
    assert row["admitted"] == row["fits"] == 150
    assert row["samples"] > 0


async def test_killed_clients_and_wild_settlements_leak_nothing_and_charge_nothing_twice() -> None:
    row = await overspend.chaos(1200, clients=2, kill_every=3.0)
    assert row["settled"] > 0
    assert row["checked"] > 0
    assert row["leaked_holds"] == row["double_charges"] == 0
