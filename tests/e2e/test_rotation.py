"""Every key and every certificate is replaced under traffic, on both kinds of stack, and no call fails."""

from __future__ import annotations

from bench import rotation
from services.kit.provision import MAKERS


async def test_keys_and_certificates_are_replaced_and_nobody_notices() -> None:
    rows = await rotation.run(small=True)
    assert [found["case"] for found in rows] == ["embedded", "processes"]
    for found in rows:
        assert (found["failed"], found["keys"]) == (0, len(MAKERS)), found
        assert found["n"] > 100
        # An admission with a sealed value, a context token, a transaction token, an API key: all outlive the rotation
        # and none the withdrawal.
        assert (found["old_accepted"], found["withdrawn_accepted"]) == (4, 0), found
        assert found["emergency_s"] < 6
