"""Names of revocation epochs, and which of them a caller stands on.

One grammar for auth (which raises them), for the feed (which carries them) and for every verifier of a token.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from services.kit.caller import Caller, Epochs

ORGANISATION = "o"
# Rises with that of every single token: while it never did, no token's own epoch need be looked for.
ANY_TOKEN = "t:" + "0" * 22
_KEY_PREFIX = "key_"
_HELD = ("u:", "k:")


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a caller stands on inside its organisation; an empty part is none of its grounds.

    `token_id` is that of the issuer's token that was presented, see `services.auth.policy.jwt_claims`.
    """

    subject: str
    brand: str = ""
    key_id: str = ""
    session_id: str = ""
    token_id: str = ""

    def names(self) -> list[str]:
        """The epochs to be read: the organisation's, the user's, and one for each other part."""
        return [name for name in self._by_field().values() if name]

    def snapshot(self, epochs: Mapping[str, int]) -> Epochs:
        """The numbers that a token carries, of epochs by name. A name that was not read is an error, never zero."""
        return Epochs(**{field: epochs[name] if name else 0 for field, name in self._by_field().items()})

    def carried(self, epochs: Epochs) -> dict[str, int]:
        """The way back: epochs by name, as a token carries them."""
        return {name: getattr(epochs, field) for field, name in self._by_field().items() if name}

    def _by_field(self) -> dict[str, str]:
        return {
            "organisation": ORGANISATION,
            "user": user(self.subject),
            "brand": self.brand and brand(self.brand),
            "key": self.key_id and key(self.key_id),
            "session": self.session_id and session(self.session_id),
            "token": self.token_id and token(self.token_id),
        }


def grounds_of(caller: Caller) -> Grounds:
    """What a proven caller stands on."""
    return Grounds(caller.subject, caller.brand, key_of(caller.credential_id), caller.session_id, caller.token_id)


def key_of(credential_id: str) -> str:
    """The API key whose epoch counts; other kinds of credential have none."""
    return credential_id if credential_id.startswith(_KEY_PREFIX) else ""


def user(subject: str) -> str:
    """Name of a user's epoch."""
    return f"u:{subject}"


def brand(name: str) -> str:
    """Name of a brand's epoch."""
    return f"b:{name}"


def key(key_id: str) -> str:
    """Name of a key's epoch."""
    return f"k:{key_id}"


def session(session_id: str) -> str:
    """Name of a session's epoch."""
    return f"s:{session_id}"


def token(token_id: str) -> str:
    """Name of the epoch of one token of an issuer."""
    return f"t:{token_id}"


def hold(name: str) -> str:
    """Name of the epoch of a hold on a user or a key, given by its own name: odd while the hold stands."""
    return f"h:{name}"


def holds(names: Iterable[str]) -> list[str]:
    """The holds that may stand on whoever stands on these names."""
    return [hold(name) for name in names if name.startswith(_HELD)]


def epoch_claims(epochs: Epochs) -> dict[str, int]:
    """The claim `ep`; what never rose is left out of all but the first four, which readers of old tokens expect."""
    found = {"u": epochs.user, "o": epochs.organisation, "b": epochs.brand, "k": epochs.key}
    return found | {name: value for name, value in (("s", epochs.session), ("t", epochs.token)) if value}


def epochs_of(claim: Mapping[str, Any]) -> Epochs:
    """The claim `ep` read; an epoch that is not named never rose. Raises TypeError or ValueError."""
    return Epochs(*(int(claim.get(name, 0)) for name in "uobkst"))
