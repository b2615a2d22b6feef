"""What is to be said of certificates: dates, names, chain, permissions, and which TLS versions a server accepts."""

from __future__ import annotations

import socket
import ssl
import stat
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID

from services.kit.settings import SettingsError
from services.kit.tls import INTERNAL_DOMAIN, TlsFiles

SOON = timedelta(days=30)
_PROBED = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
NEWEST = ssl.TLSVersion.TLSv1_3.name
_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Report:
    """One certificate file; `problems` make it useless, `notes` will."""

    name: str
    workload: str = ""
    serves: tuple[str, ...] = ()
    ends: datetime | None = None
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def pairs_in(folder: Path) -> Iterator[TlsFiles]:
    """Every certificate of a folder, with its key and the folder's authorities."""
    for cert in sorted(folder.glob("*.crt")):
        if cert.name != "ca.crt":
            yield TlsFiles(cert, cert.with_suffix(".pem"), folder / "ca.crt")


def examine(files: TlsFiles, now: datetime | None = None) -> Report:
    """Reads one set as a process would, and says what is wrong with it."""
    now = now or datetime.now(UTC)
    try:
        _, chain, authorities = files.checked()
    except SettingsError as error:
        return Report(files.cert.stem, problems=[str(error)])
    leaf = x509.load_pem_x509_certificates(chain)[0]
    uris, serves = _names(leaf)
    report = Report(files.cert.stem, uris[0] if uris else "", tuple(serves), leaf.not_valid_after_utc)
    report.problems.extend(_wrong(leaf, x509.load_pem_x509_certificates(chain + authorities)[1:], now))
    if len(uris) != 1 or not uris[0].startswith("spiffe://"):
        report.problems.append("exactly one URI name is needed, spiffe://<trust domain>/<kind>[/<name>]")
    if serves and ExtendedKeyUsageOID.SERVER_AUTH not in _usages(leaf):
        report.problems.append("it names what it serves, and may not be used by servers")
    if leaf.not_valid_after_utc - now < SOON and leaf.not_valid_after_utc > now:
        report.notes.append("expires soon")
    return report


def examine_authorities(path: Path, now: datetime | None = None) -> Report:
    """The bundle of authorities, and whether the key of a development one lies open."""
    now = now or datetime.now(UTC)
    report = Report(path.name)
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        report.problems.append(f"{path.name} cannot be read, or holds no certificate")
        return report
    if any(authority.not_valid_after_utc < now for authority in found):
        report.problems.append("an authority has expired")
    key = path.with_suffix(".pem")
    if key.exists() and stat.S_IMODE(key.stat().st_mode) & 0o077:
        report.problems.append(f"{key.name} is readable by others: chmod 600")
    if len(found) > 1:
        report.notes.append(f"{len(found)} authorities are trusted")
    ends = min(authority.not_valid_after_utc for authority in found)
    return Report(report.name, ends=ends, problems=report.problems, notes=report.notes)


def _wrong(leaf: x509.Certificate, issuers: list[x509.Certificate], now: datetime) -> Iterator[str]:
    if leaf.not_valid_after_utc <= now:
        yield "it has expired"
    if leaf.not_valid_before_utc > now:
        yield "it is not valid yet"
    if not any(_signed(leaf, issuer) for issuer in issuers):
        yield "no authority of the bundle signed it"


def _signed(leaf: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _names(leaf: x509.Certificate) -> tuple[list[str], list[str]]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return [], []
    uris = [str(uri) for uri in names.get_values_for_type(x509.UniformResourceIdentifier)]
    return uris, [name for name in names.get_values_for_type(x509.DNSName) if name != "localhost"]


def served_by(path: Path) -> list[str]:
    """The kinds whose server name a certificate carries."""
    served = _names(x509.load_pem_x509_certificate(path.read_bytes()))[1]
    return [name.removesuffix(f".{INTERNAL_DOMAIN}") for name in served if name.endswith(f".{INTERNAL_DOMAIN}")]


def _usages(leaf: x509.Certificate) -> list[x509.ObjectIdentifier]:
    try:
        return list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return [ExtendedKeyUsageOID.SERVER_AUTH]  # without the extension, anything goes


def probe(address: str, files: TlsFiles) -> dict[str, bool]:
    """Which versions of TLS a server lets in, each tried with our certificate. Raises OSError when nobody listens."""
    host, _, port = address.rpartition(":")
    found = {}
    for version in _PROBED:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_SECONDS) as raw:
            try:
                with _context(version, files).wrap_socket(raw) as secured:
                    # In 1.3 a server refuses a client's certificate only after the handshake, so it must speak first.
                    found[version.name] = bool(secured.recv(1)) if version.name == NEWEST else True
            except (ssl.SSLError, ConnectionError, TimeoutError):
                found[version.name] = False
    return found


def _context(version: ssl.TLSVersion, files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # an address is probed, whatever it serves
    context.load_verify_locations(files.ca)
    context.load_cert_chain(files.cert, files.key)
    context.set_ciphers("ALL:@SECLEVEL=0")  # or our own library, not the server, would refuse the old versions
    context.set_alpn_protocols(["h2"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    return context
