"""mTLS for servers and channels: client certificates are always required, files are read again when they change.

A missing, unreadable or world-readable file is a start-up error; there is no plaintext mode.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from services.kit.settings import ServiceSettings, SettingsError

# Every certificate names the kinds it serves as `<kind>.hauberk.internal`; channels check that name, so one service
# cannot stand in for another whatever address it is reached by.
INTERNAL_DOMAIN = "hauberk.internal"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of one workload."""

    cert: Path
    key: Path
    ca: Path

    @classmethod
    def of(cls, settings: ServiceSettings) -> TlsFiles:
        """The files that settings name; raises SettingsError when one is missing."""
        for name in ("tls_cert", "tls_key", "tls_ca"):
            if getattr(settings, name) is None:
                raise SettingsError(f"{name}: required (mTLS is not optional); see `hauberk prepare`")
        assert settings.tls_cert and settings.tls_key and settings.tls_ca  # noqa: S101 - checked just above
        files = cls(settings.tls_cert, settings.tls_key, settings.tls_ca)
        files.read()
        return files

    def read(self) -> tuple[bytes, bytes, bytes]:
        """Key, chain and authorities; raises SettingsError naming the file."""
        try:
            if stat.S_IMODE(self.key.stat().st_mode) & 0o077:
                raise SettingsError(f"tls_key: {self.key.name} is readable by others: chmod 600")
            return self.key.read_bytes(), self.cert.read_bytes(), self.ca.read_bytes()
        except OSError as error:
            name = Path(str(error.filename)).name
            raise SettingsError(f"tls: {name} cannot be read ({type(error).__name__})") from None


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Credentials that demand a client certificate and take changed files without a restart."""
    current = files.read()

    def configuration() -> grpc.ServerCertificateConfiguration:
        key, chain, authorities = current
        return grpc.ssl_server_certificate_configuration([(key, chain)], authorities)

    def changed() -> Any:  # None = nothing new, which the stubs do not know
        nonlocal current
        try:
            fresh = files.read()
        except SettingsError:  # half-written files: keep the last good set
            return None
        if fresh == current:
            return None
        current = fresh
        return configuration()

    return grpc.dynamic_ssl_server_credentials(configuration(), changed, require_client_authentication=True)


def channel_credentials(files: TlsFiles) -> grpc.ChannelCredentials:
    """Credentials that show our certificate and check the peer's."""
    key, chain, authorities = files.read()
    return grpc.ssl_channel_credentials(authorities, key, chain)
