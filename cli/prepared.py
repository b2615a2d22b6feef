"""What `hauberk prepare` makes: keys, certificates, database, settings. What exists is never overwritten."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from cli.services import EDGE, EDGE_WORKLOAD, NAMES
from services.kit import certs
from services.kit.database_roles import ROLES, role_of
from services.kit.key_kinds import AUDIT_KEK, CHECKPOINT, EDGE_KEK, WEBHOOK_KEK
from services.kit.keys import (
    ADMISSION,
    API_KEY_PEPPER,
    CANARY,
    CONTENT_KEK,
    CTX_KEK,
    CTX_SIGNING,
    MAPPING_KEK,
    ORG_MAC,
    TXN_SIGNING,
    KeyRing,
    write_private,
)
from services.kit.migrate import prepare_database
from services.kit.provision import FIRST, MAKERS
from services.kit.settings import CONFIG_VARIABLE

CLIENTS = ("backend/app", "operator", "envoy/edge", EDGE_WORKLOAD)
# A service holds only the keys that it uses, each in a folder of its own.
HOLDERS = {
    TXN_SIGNING: "auth",
    ORG_MAC: "auth",
    API_KEY_PEPPER: "auth",
    ADMISSION: "auth",
    WEBHOOK_KEK: "auth",
    EDGE_KEK: "auth",
    MAPPING_KEK: "redaction",
    CTX_SIGNING: "context-token",
    CTX_KEK: "context-token",
    CANARY: "guardrail",
    CONTENT_KEK: "tenancy",
    AUDIT_KEK: "audit",
    CHECKPOINT: "audit",
}
WITH_DATABASE = ("auth", "tenancy", "ratelimit", "redaction", "guardrail", "audit")
PATTERNS = "patterns"
# Service and ops port of each on one machine.
PORTS = {name: 7443 + 10 * number for number, name in enumerate(NAMES)}
EDGE_PORT = 8443


@dataclass(frozen=True, slots=True)
class Site:
    """Where the services will run."""

    folder: Path
    trust_domain: str
    redis_url: str
    database_admin: str = field(repr=False)
    hosts: bool

    def address(self, name: str) -> str:
        """Where peers reach a service."""
        return f"{name}:7443" if self.hosts else f"127.0.0.1:{PORTS[name]}"


@dataclass(slots=True)
class Preparation:
    """The steps; `done` and `kept` say what came of them."""

    site: Site
    done: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def keys(self) -> None:
        """Key files, a first version of each."""
        made = []
        for service in NAMES:
            self._key_folder(service).mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, make in MAKERS.items():
            folder = self._key_folder(HOLDERS[name])
            if not any(folder.glob(f"{name}.*.key")):
                write_private(folder / f"{name}.{FIRST}.key", make())
                made.append(f"{HOLDERS[name]}/{name}")
        where = self.site.folder / "keys"
        if made:
            self.done.append(f"keys {', '.join(made)} in {where}")
        else:
            self.kept.append(f"keys in {where}")

    def certificates(self) -> None:
        """A development authority, a certificate per service and client kind."""
        folder = self.site.folder / "tls"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = []
        for workload in (*NAMES, *CLIENTS):
            fresh = not (folder / f"{_stem(workload)}.crt").exists()
            certs.issue(folder, self.site.trust_domain, workload, serves=serves(workload))
            if fresh:
                made.append(workload)
        if made:
            self.done.append(f"development certificates for {', '.join(made)} in {folder}")
        else:
            self.kept.append(f"certificates in {folder}")

    def passwords(self) -> None:
        """A password per database role."""
        fresh = [service for service in ROLES if not self._password_file(service).exists()]
        for service in fresh:
            write_private(self._password_file(service), secrets.token_urlsafe(32).encode())
        words = f"database passwords in {self.site.folder / 'database'}"
        (self.done if fresh else self.kept).append(words)

    def database(self) -> None:
        """Roles, schemas, migrations, and the keys that prove an organisation."""
        passwords = {service: self._password(service) for service in ROLES}
        versions = KeyRing(self._key_folder("auth")).versions(ORG_MAC)
        applied = prepare_database(self.site.database_admin, passwords, {key.kid: key.value for key in versions})
        if applied:
            self.done.append(f"database roles; migrations {', '.join(applied)}")
        else:
            self.kept.append("database: every migration was applied before; passwords and roles were set again")

    def settings(self) -> None:
        """A settings file per process."""
        folder = self.site.folder / "settings"
        for name in (*NAMES, EDGE):
            path = folder / f"{name}.yaml"
            if path.exists():
                self.kept.append(f"settings {path}")
                continue
            found = self._edge_settings() if name == EDGE else self._settings_of(name)
            write_private(path, yaml.safe_dump(found, sort_keys=False).encode())
            self.done.append(f"settings {path}")

    def patterns(self) -> None:
        """The pattern databases that redaction looks for, by its settings file if there is one already."""
        try:
            from services.redaction.bootstrap import make_patterns
            from services.redaction.settings import RedactionSettings
        except ImportError:  # a process of another service may be prepared where redaction is not installed
            self.kept.append("pattern databases: redaction is not installed here; it starts without them")
            return
        file = self.site.folder / "settings" / "redaction.yaml"
        settings = RedactionSettings.load({CONFIG_VARIABLE: str(file)} if file.exists() else {})
        where = self.site.folder / PATTERNS
        made, there = make_patterns(settings, where)
        if made:
            self.done.append(f"pattern databases: {made} in {where}")
        if there:
            self.kept.append(f"pattern databases: {there} in {where}")

    def _settings_of(self, name: str) -> dict[str, Any]:
        site, port = self.site, 7443 if self.site.hosts else PORTS[name]
        found: dict[str, Any] = {
            "listen": f"{'0.0.0.0' if site.hosts else '127.0.0.1'}:{port}",  # noqa: S104 - mutual TLS on it
            "ops_listen": f"127.0.0.1:{port + 1}",
            "trust_domain": site.trust_domain,
            "tls_cert": str(site.folder / "tls" / f"{name}.crt"),
            "tls_key": str(site.folder / "tls" / f"{name}.pem"),
            "tls_ca": str(site.folder / "tls" / "ca.crt"),
            "key_folder": str(self._key_folder(name)),
            "audit_spool": "/spool" if site.hosts else str(site.folder / "spool" / name),
            "peers": {peer: site.address(peer) for peer in NAMES if peer not in (name, "gateway")},
        }
        if name != "gateway":
            found["redis_url"] = site.redis_url
        if name == "redaction":
            found["redaction_patterns"] = str(site.folder / PATTERNS)
        if name in WITH_DATABASE and site.database_admin:
            found["database_url"] = self._database_url(name)
        if name == "audit" and site.database_admin:
            found["sealer_database_url"] = self._database_url("audit_sealer")
        return found

    def _edge_settings(self) -> dict[str, Any]:
        """The edge holds no key and reaches no store. It shows its own certificate until `http_cert` names another."""
        site = self.site
        return {
            "listen": f"{'0.0.0.0' if site.hosts else '127.0.0.1'}:{EDGE_PORT}",  # noqa: S104 - meant for clients
            "public_url": f"https://localhost:{EDGE_PORT}",
            "trust_domain": site.trust_domain,
            "tls_cert": str(site.folder / "tls" / f"{_stem(EDGE_WORKLOAD)}.crt"),
            "tls_key": str(site.folder / "tls" / f"{_stem(EDGE_WORKLOAD)}.pem"),
            "tls_ca": str(site.folder / "tls" / "ca.crt"),
            "peers": {peer: site.address(peer) for peer in NAMES if peer != "gateway"},
        }

    def _database_url(self, service: str) -> str:
        """The administrator's address with the service's own role."""
        where = {**conninfo_to_dict(self.site.database_admin), "user": role_of(service)}
        return make_conninfo("", **{**where, "password": self._password(service)})

    def _key_folder(self, service: str) -> Path:
        return self.site.folder / "keys" / service

    def _password_file(self, service: str) -> Path:
        return self.site.folder / "database" / f"{service}.password"

    def _password(self, service: str) -> str:
        return self._password_file(service).read_text(encoding="utf-8").strip()


def serves(workload: str) -> list[str]:
    """The server names that the certificate of a workload carries; none for a client."""
    if workload == EDGE_WORKLOAD:
        return [EDGE]
    return [workload] if workload in NAMES else []


def _stem(workload: str) -> str:
    return workload.replace("/", "-")
