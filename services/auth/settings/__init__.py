"""Settings of the auth service."""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.auth.policy import scopes as scope_policy
from services.auth.policy.jwt_shape import OWN_TYPES, IssuerRules
from services.auth.settings.edge import WidgetSettings, provider_address_allowed
from services.kit.settings import Environment, ServiceSettings

DEFAULT_POLICY = Path(__file__).resolve().parents[3] / "policies" / "auth.yaml"
# Only what is signed with a public key; one family for each issuer, so that a key is never used two ways.
ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,62}$")]
Fact = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,128}$")]
# Never to be opened by a setting: this machine, link-local (where clouds keep credentials), nowhere, everybody.
CLOSED = tuple(
    ipaddress.ip_network(text)
    for text in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "::/127", "fe80::/10", "ff00::/8")
)
ClaimName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_:/.-]{1,128}$")]


class IssuerSettings(BaseModel):
    """One issuer of tokens, and the organisations that it may speak for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Identifier = Field(description="short name, for logs")
    issuer: str = Field(min_length=1, max_length=512, description="exact value of the claim iss")
    audience: str = Field(min_length=1, max_length=512, description="exact value of the claim aud")
    organisations: tuple[Identifier, ...] = Field(min_length=1)
    organisation_claim: ClaimName | None = Field(None, description="claim that chooses among several organisations")
    subject_claim: ClaimName = Field("sub", description="claim that holds the user id")
    jwks_url: str = Field("", max_length=2048, description="https address of the key set")
    jwks_file: Path | None = Field(None, description="file with the key set, read again when it changes")
    allow_loopback: bool = Field(False, description="allow http to this machine, for development")
    allow_networks: tuple[IPv4Network | IPv6Network, ...] = Field(
        (), max_length=16, description="networks beside public addresses that jwks_url may lead to"
    )
    algorithms: tuple[str, ...] = Field(("RS256",), min_length=1)
    types: tuple[str, ...] = Field(("at+jwt", "jwt"), min_length=1, description='accepted typ; "" for none')
    scopes: tuple[str, ...] = Field(("chat",), description="the most that its tokens can carry")
    scope_claim: ClaimName | None = Field(None, description="claim that narrows them; unset = all of them")
    max_lifetime: float = Field(3600.0, gt=0, le=86_400, description="longest exp - iat accepted, seconds")
    require_jti: bool = Field(False, description="refuse tokens that cannot be revoked one by one")
    required_acr: tuple[Fact, ...] = Field((), max_length=16, description="the claim acr must be one of these")
    required_amr: tuple[Fact, ...] = Field((), max_length=16, description="the claim amr must name all of these")
    max_auth_age: float = Field(0.0, ge=0, description="longest time since auth_time, seconds; 0 = any")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not set(self.algorithms) <= ALGORITHMS or len({name[:2] for name in self.algorithms}) != 1:
            raise ValueError("algorithms must be public-key algorithms of one family")
        if {name.lower() for name in self.types} & OWN_TYPES:
            raise ValueError("types must not name Hauberk's own kinds of token")
        if not all(scope_policy.may_hold(scope) for scope in self.scopes):
            raise ValueError("scopes must be scopes that a user may hold")
        if len(self.organisations) > 1 and not self.organisation_claim:
            raise ValueError("an issuer of several organisations needs organisation_claim")
        if bool(self.jwks_url) == bool(self.jwks_file):
            raise ValueError("exactly one of jwks_url and jwks_file is needed")
        if self.jwks_url and not _address_allowed(self.jwks_url, self.allow_loopback):
            raise ValueError("jwks_url must be https (http on loopback only with allow_loopback)")
        if any(network.overlaps(shut) for network in self.allow_networks for shut in _same_version(network)):
            raise ValueError("allow_networks must not reach this machine, link-local or multicast addresses")
        return self

    def rules(self) -> IssuerRules:
        """As `policy` knows it."""
        return IssuerRules(
            name=self.name,
            issuer=self.issuer,
            audience=self.audience,
            organisations=self.organisations,
            organisation_claim=self.organisation_claim or "",
            subject_claim=self.subject_claim,
            algorithms=frozenset(self.algorithms),
            types=frozenset(name.lower() for name in self.types),
            scopes=frozenset(self.scopes),
            scope_claim=self.scope_claim or "",
            max_lifetime=self.max_lifetime,
            require_jti=self.require_jti,
            required_acr=frozenset(self.required_acr),
            required_amr=frozenset(self.required_amr),
            max_auth_age=self.max_auth_age,
        )


class AuthSettings(ServiceSettings):
    """`database_url` is of the role hauberk_auth."""

    issuers: tuple[IssuerSettings, ...] = Field((), description="who else's tokens are accepted, and for whom")
    jwks_folder: Path | None = Field(None, description="where issuers' key sets outlive a restart; unset = they do not")
    jwt_memory_seconds: float = Field(60.0, ge=0, le=60, description="how long a checked signature need not be again")
    api_key_prefix: str = Field("hbk", pattern="^[a-z]{2,8}$")
    api_key_environment: str = Field("", pattern="^(live|test)?$", description="empty: live in production, else test")
    imported_keys: tuple[Identifier, ...] = Field(
        (), description="organisations whose keys of foreign make are accepted"
    )
    webhook_reach: Literal["public", "loopback"] = Field(
        "public", description="where webhooks may go; loopback (also over http) is for development"
    )
    auth_policy: Path = Field(DEFAULT_POLICY, description="what auth decides by, YAML")
    token_seconds: int = Field(60, ge=5, le=60, description="life of a transaction token")
    memory_seconds: float = Field(5.0, ge=0, le=10, description="how old an accepted key or membership may be")

    challenge_widget: WidgetSettings | None = Field(None, description="bot challenge of brands without their own")
    turnstile_url: str = Field("https://challenges.cloudflare.com/turnstile/v0/siteverify", max_length=512)
    hcaptcha_url: str = Field("https://api.hcaptcha.com/siteverify", max_length=512)

    @model_validator(mode="after")
    def _check_challenge(self) -> Self:
        production = self.environment is Environment.PRODUCTION
        for name in ("turnstile_url", "hcaptcha_url"):
            if not provider_address_allowed(getattr(self, name), production=production):
                raise ValueError(f"{name} must be https (http on loopback only in development)")
        fault = self.challenge_widget.fault(production=production) if self.challenge_widget else ""
        if fault:
            raise ValueError(f"challenge_widget.{fault}")
        return self

    @model_validator(mode="after")
    def _check_issuers(self) -> Self:
        for values in ([i.issuer for i in self.issuers], [i.name for i in self.issuers]):
            if len(set(values)) != len(values):
                raise ValueError("two issuers have the same name or iss")
        if self.environment is Environment.PRODUCTION and any(issuer.allow_loopback for issuer in self.issuers):
            raise ValueError("allow_loopback is for development only")
        if self.environment is Environment.PRODUCTION and self.webhook_reach != "public":
            raise ValueError("webhook_reach loopback is for development only")
        return self

    @property
    def key_environment(self) -> str:
        """`live` or `test`, the middle part of this deployment's API keys."""
        return self.api_key_environment or ("live" if self.environment is Environment.PRODUCTION else "test")


def _address_allowed(url: str, allow_loopback: bool) -> bool:
    parts = urlsplit(url)
    if not parts.hostname or parts.username or parts.password:
        return False
    if parts.scheme == "https":
        return True
    return parts.scheme == "http" and allow_loopback and _is_loopback(parts.hostname)


def _same_version(network: IPv4Network | IPv6Network) -> list[Any]:
    return [shut for shut in CLOSED if shut.version == network.version]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
