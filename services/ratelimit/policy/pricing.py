"""Tokens to money, in integers, rounded up once."""

from __future__ import annotations

from services.ratelimit.policy.document import PriceTable
from services.ratelimit.policy.model import Price

_MILLION = 1_000_000
_UNLISTED = "(unlisted)"  # no model can be called so


class Prices:
    """A versioned price table. `find` gives None only when the policy denies unknown models."""

    def __init__(self, table: PriceTable) -> None:
        self.version = table.version
        self._models = {name: Price(rule.input, rule.output) for name, rule in table.models.items()}
        self._dearest = Price(max(p.input for p in self._models.values()), max(p.output for p in self._models.values()))
        self._denies_unknown = table.unknown_model == "deny"

    def find(self, model: str) -> Price | None:
        """The price of a model. One that is not named costs as much as the dearest; so does an unknown one, or it is
        refused, as the policy says. It is never free."""
        known = self._models.get(model)
        if known is not None:
            return known
        return None if model and self._denies_unknown else self._dearest

    def subject(self, model: str) -> str:
        """The name that a model is counted under. All that are not listed are one: a made-up name is no fresh limit."""
        return model if model in self._models or not model else _UNLISTED


def money(price: Price, input_tokens: int, output_tokens: int) -> int:
    """Micro-USD for these tokens, rounded up."""
    return -(-(input_tokens * price.input + output_tokens * price.output) // _MILLION)
