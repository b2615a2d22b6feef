"""Settings of the bot challenge: a widget of the installation's own, and where its provider is."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from services.auth.policy import origins
from services.auth.policy.challenges import OnOutage, Provider, Widget, unfit

Action = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
SiteKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{8,128}$")]


class WidgetSettings(BaseModel):
    """A Turnstile widget for brands without one of their own. Its tokens are taken only with a binding, which holds
    them to the one brand that they were solved at."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    site_key: SiteKey
    secret: SecretStr = Field(min_length=8, max_length=256)
    hostnames: tuple[str, ...] = Field((), max_length=64, description="exact host names; required in production")
    actions: tuple[Action, ...] = Field((), max_length=32)
    on_outage: Literal["deny", "step_up"] = "deny"

    def widget(self) -> Widget:
        """As `policy` knows it."""
        hosts = frozenset(origins.hostname(name) for name in self.hostnames)
        return Widget(
            Provider.TURNSTILE, self.site_key, hosts, frozenset(self.actions), on_outage=OnOutage(self.on_outage)
        )

    def fault(self, *, production: bool) -> str:
        """Why it cannot be used, as a rule for people; empty when it can."""
        if "" in self.widget().hostnames:
            return "hostnames: host names, without scheme, port or wildcard"
        return unfit(self.widget(), self.secret.get_secret_value(), production=production)


def provider_address_allowed(url: str, *, production: bool) -> bool:
    """https, or in development http on this machine: a secret goes there."""
    parts = urlsplit(url)
    if not parts.hostname or parts.username or parts.password or parts.fragment:
        return False
    if parts.scheme == "https":
        return True
    try:
        loopback = ipaddress.ip_address(parts.hostname).is_loopback
    except ValueError:
        return False
    return parts.scheme == "http" and loopback and not production
