"""Arguments of calls that wait for approval, sealed under the guardrail's own key for their organisation and digest."""

from __future__ import annotations

from services.kit.caller import Caller
from services.kit.keys import CANARY, KeyPort
from services.kit.sealing import Seal, SealBrokenError


class Seals:
    """Implements `ports.Sealer`. The key's other use, canaries, tells nothing of these."""

    def __init__(self, keys: KeyPort) -> None:
        self._seal = Seal(keys, CANARY, b"hauberk approval 1")

    def seal(self, caller: Caller, digest: str, text: str) -> bytes:
        """See the port."""
        return self._seal.seal(caller.organisation, text.encode(), digest)

    def open(self, caller: Caller, digest: str, sealed: bytes) -> str:
        """See the port."""
        try:
            return self._seal.open(caller.organisation, sealed, digest).decode()
        except SealBrokenError:
            return ""
