"""Probes of what lies on disk and on the wire: certificates, keys, and what the port accepts."""

from __future__ import annotations

import socket
import ssl
import stat
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from cli.evidence.model import FAILS, HOLDS, Found
from services.kit.certs import DEVELOPMENT_CA
from services.kit.rotation import KeyFolder, State
from services.kit.tls import TlsFiles

_SECONDS = 5.0
_DAY = 86_400
_OLDEST_DAYS = 365
_SOON_DAYS = 1


def tls_floor(address: str, files: TlsFiles) -> Found:
    """The port speaks TLS 1.3 and nothing below it."""
    newest = _handshake(address, files, ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3)
    older = _handshake(address, files, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)
    if not newest:
        return Found(FAILS, "the port does not speak TLS 1.3")
    if older:
        return Found(FAILS, f"the port accepts {older}")
    return Found(HOLDS, f"the port speaks {newest} and refuses TLS 1.2")


def client_certificate(address: str, files: TlsFiles) -> Found:
    """Nobody is served without a certificate of the own authority."""
    newest = ssl.TLSVersion.TLSv1_3
    if not _handshake(address, files, newest, newest):  # else a port that refuses everybody would look well
        return Found(FAILS, "the port does not serve a client with a certificate")
    if _handshake(address, files, newest, newest, certificate=False):
        return Found(FAILS, "the port serves a client without a certificate")
    return Found(HOLDS, "the port serves nobody without a certificate of its own authority")


def certificates(files: Sequence[Path]) -> Found:
    """None has ended or is about to."""
    ends = {path.name: _ends(path) for path in files}
    if not ends:
        return Found(FAILS, "there are no certificates")
    days = {name: (end - datetime.now(UTC)).total_seconds() / _DAY for name, end in ends.items()}
    late = sorted(name for name, left in days.items() if left < _SOON_DAYS)
    figures = {"certificates": len(days), "days_left": round(min(days.values()), 1)}
    if late:
        return Found(FAILS, f"ended, or ending within a day: {', '.join(late)}", figures)
    return Found(HOLDS, f"the first of {len(days)} certificates ends in {min(days.values()):.0f} days", figures)


def key_ages(folder: Path) -> Found:
    """Every key has an active version that is no older than a year, and files that only their owner can read."""
    keys, now = KeyFolder(folder), time.time()
    old, open_files, ages = [], 0, []
    for name in keys.names():
        for version in keys.versions(name, now):
            open_files += sum(1 for path in version.paths if stat.S_IMODE(path.stat().st_mode) & 0o077)
            if version.state is State.ACTIVE:
                began = version.begins or min(path.stat().st_mtime for path in version.paths)
                ages.append((now - began) / _DAY)
                old += [name] if ages[-1] > _OLDEST_DAYS else []
    figures = {"keys": len(ages), "oldest_days": round(max(ages, default=0.0), 1)}
    if old or open_files or not ages:
        words = f"older than a year: {', '.join(old) or 'none'}; files that others can read: {open_files}"
        return Found(FAILS, words, figures)
    return Found(
        HOLDS, f"the oldest of {len(ages)} active keys is {max(ages):.0f} days old; none is open to others", figures
    )


def production_material(files: Sequence[Path], keys: Path, data: Path) -> Found:
    """Certificates are not those of development, and keys do not lie beside the data."""
    development = sorted(path.name for path in files if _is_development(path))
    beside = keys.resolve().is_relative_to(data.resolve())
    if development or beside:
        words = [f"{len(development)} certificates are of development" if development else ""]
        words += ["keys lie beside the data" if beside else ""]
        return Found(FAILS, "; ".join(word for word in words if word), {"development": len(development)})
    return Found(HOLDS, "no certificate is of development, and keys do not lie beside the data")


def _handshake(
    address: str, files: TlsFiles, least: ssl.TLSVersion, most: ssl.TLSVersion, *, certificate: bool = True
) -> str:
    """The version that was spoken when the other side really answered; empty when it refused."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(files.ca)
    context.minimum_version, context.maximum_version = least, most
    context.check_hostname = False  # names are workloads here; what is probed is the protocol
    context.set_alpn_protocols(["h2"])
    if certificate:
        context.load_cert_chain(files.cert, files.key)
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), _SECONDS) as plain:
        try:
            with context.wrap_socket(plain, server_hostname=host) as secure:
                # In TLS 1.3 a refused certificate shows with the first read: HTTP/2 begins with settings of the server.
                secure.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
                return (secure.version() or "") if secure.recv(9) else ""
        except (ssl.SSLError, ConnectionError):
            return ""


def _ends(path: Path) -> datetime:
    return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc


def _is_development(path: Path) -> bool:
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    names = certificate.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    return any(name.value == DEVELOPMENT_CA for name in names)
