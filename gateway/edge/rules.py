"""What each Envoy may ask for, bound to its certificate: section `envoy` of the gateway's policy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from services.kit.errors import PermissionDenied
from services.kit.settings import SettingsError

KIND = "envoy"
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,62}$")]
Host = Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]{1,253}$")]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
HeaderText = Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]{1,1024}$")]


class EdgeRules(BaseModel):
    """One Envoy. The zero of everything asks more, not less."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hosts: dict[Host, Name] = Field(
        default_factory=dict, description="brand by host; a host that is missing is refused"
    )
    brand: Name | Literal[""] = Field("", description="brand of every other host; empty = the credential's own")
    brands: frozenset[Name] = Field(frozenset(), description="brands that a route may name besides")
    action: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_.]{0,63}$")] = "chat.send"
    limit: Literal["request", "none"] = Field("request", description="whether a request counts against the limits")
    credential: Literal["remove", "keep"] = Field("remove", description="whether the product sees the credential")
    cookie: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = "__Host-hauberk-session"
    answer_headers: dict[HeaderName, HeaderText] = Field(
        default_factory=lambda: {
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "strict-transport-security": "max-age=31536000",
        },
        description="fields that an answer gets where the product set none",
    )

    def brand_of(self, host: str, named: str) -> str | None:
        """The brand to ask for (empty = the credential's own); None when this host has none.

        `named` is what the route says: Envoy's configuration, not the client. Raises PermissionDenied for a brand that
        is not this Envoy's.
        """
        if named:
            if named not in self.brands | {self.brand, *self.hosts.values()}:
                raise PermissionDenied(reason="BRAND_NOT_ALLOWED")
            return named
        return self.hosts.get(host, self.brand or (None if self.hosts else ""))


class Edges:
    """The rules of every Envoy by the name in its certificate."""

    def __init__(self, rules: Mapping[str, EdgeRules]) -> None:
        self._rules = dict(rules)

    def of(self, workload: str) -> EdgeRules:
        """Raises PermissionDenied for a certificate that the policy does not name."""
        kind, _, name = workload.partition("/")
        rules = self._rules.get(name) if kind == KIND else None
        if rules is None:
            raise PermissionDenied(reason="DOMAIN_NOT_ALLOWED")
        return rules


def load_edges(path: Path) -> Edges:
    """The section of a policy file; raises SettingsError naming what is wrong."""
    try:
        data: Any = yaml.safe_load(path.read_text(encoding="utf-8")).get("envoy", {})
        return Edges({str(name): EdgeRules.model_validate(rules or {}) for name, rules in data.items()})
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise SettingsError(f"gateway_policy: envoy: {where} is wrong") from None
    except (OSError, yaml.YAMLError, AttributeError) as error:
        raise SettingsError(f"gateway_policy: {path.name} cannot be used ({type(error).__name__})") from None
