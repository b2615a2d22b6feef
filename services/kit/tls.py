"""mTLS for servers and channels: client certificates are always required, files are read again when they change.

A missing, unreadable, world-readable or unfitting file is a start-up error; there is no plaintext mode.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from services.kit import TLS_FLOOR
from services.kit.logs import logger
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
        """The files that settings name; raises SettingsError when one is missing or of no use."""
        for name in ("tls_cert", "tls_key", "tls_ca"):
            if getattr(settings, name) is None:
                raise SettingsError(f"{name}: required (mTLS is not optional); see `hauberk prepare`")
        assert settings.tls_cert and settings.tls_key and settings.tls_ca  # noqa: S101 - checked just above
        files = cls(settings.tls_cert, settings.tls_key, settings.tls_ca)
        files.checked()
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

    def checked(self) -> tuple[bytes, bytes, bytes]:
        """As `read`, for a set that fits together: replacing files one by one never shows a peer half of each."""
        key, chain, authorities = self.read()
        leaf = _certificates("tls_cert", self.cert, chain)[0]
        _certificates("tls_ca", self.ca, authorities)
        try:
            own = serialization.load_pem_private_key(key, None)
        except (ValueError, TypeError):
            raise SettingsError(f"tls_key: {self.key.name} is not a private key in PEM") from None
        if own.public_key() != leaf.public_key():
            raise SettingsError(f"tls_key: {self.key.name} is not the key of {self.cert.name}")
        return key, chain, authorities

    def marks(self) -> tuple[tuple[int, int, int], ...]:
        """What tells cheaply that a file was replaced; empty when one is missing."""
        try:
            found = [path.stat() for path in (self.cert, self.key, self.ca)]
        except OSError:
            return ()
        return tuple((info.st_ino, info.st_mtime_ns, info.st_size) for info in found)


class Fresh:
    """The files of a running process: the last good set, and whether there is a newer one."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._marks = files.marks()
        self.current = files.checked()

    def renew(self) -> bool:
        """True when `current` became another set. Half-written or unfitting files change nothing."""
        marks = self._files.marks()
        if marks == self._marks:
            return False
        try:
            found = self._files.checked()
        except SettingsError:
            logger().error("tls.files_refused", file=self._files.cert.stem)
            return False
        self._marks = marks
        if found == self.current:
            return False
        self.current = found
        return True


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Credentials that demand a client certificate and take changed files without a restart."""
    fresh = Fresh(files)
    if not TLS_FLOOR:
        logger().warning("tls.below_1_3_possible")

    def configuration() -> grpc.ServerCertificateConfiguration:
        key, chain, authorities = fresh.current
        return grpc.ssl_server_certificate_configuration([(key, chain)], authorities)

    def changed() -> Any:  # None = nothing new, which the stubs do not know
        return configuration() if fresh.renew() else None

    return grpc.dynamic_ssl_server_credentials(configuration(), changed, require_client_authentication=True)


def channel_credentials(current: tuple[bytes, bytes, bytes]) -> grpc.ChannelCredentials:
    """Credentials that show our certificate and check the peer's, of key, chain and authorities."""
    key, chain, authorities = current
    return grpc.ssl_channel_credentials(authorities, key, chain)


def _certificates(name: str, path: Path, data: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError:
        raise SettingsError(f"{name}: {path.name} holds no certificate") from None
