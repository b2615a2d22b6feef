"""A development certificate authority and the certificates it issues. Production brings its own."""

from __future__ import annotations

import datetime as dt
import ipaddress
import secrets
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from services.kit.keys import write_private
from services.kit.settings import Environment, ServiceSettings, SettingsError
from services.kit.tls import INTERNAL_DOMAIN, TlsFiles

# Production refuses a chain whose authority carries this name.
DEVELOPMENT_CA = "Hauberk development CA, not for production"
VALIDITY = dt.timedelta(days=365)
AUTHORITY_VALIDITY = dt.timedelta(days=5 * 365)
RENEW_BEFORE = dt.timedelta(days=30)


def issue(
    folder: Path,
    trust_domain: str,
    workload: str,
    *,
    serves: Sequence[str] = (),
    hosts: Sequence[str] = (),
    renew: bool = False,
) -> TlsFiles:
    """The certificate of `workload` under the folder's own authority: made on the first call, and again when it is
    about to expire or `renew` is said.

    `serves` are the kinds whose server name it may carry, e.g. ["auth"]; localhost and loopback are always in, `hosts`
    are further names.
    """
    stem = workload.replace("/", "-")
    files = TlsFiles(folder / f"{stem}.crt", folder / f"{stem}.pem", folder / "ca.crt")
    ca_key, ca_cert = _authority(folder)
    if not renew and files.cert.exists() and files.key.exists() and not _ends_soon(files.cert):
        return files
    key = ec.generate_private_key(ec.SECP256R1())
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(f"spiffe://{trust_domain}/{workload}")]
    names += [x509.DNSName(f"{kind}.{INTERNAL_DOMAIN}") for kind in serves]
    names += [x509.DNSName(host) for host in hosts]
    names += [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH] + ([ExtendedKeyUsageOID.SERVER_AUTH] if serves else [])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, workload)])
    cert = (
        _builder(subject, key, ca_cert.subject, VALIDITY)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    _replace(files.key, _pem(key))
    _replace(files.cert, cert.public_bytes(serialization.Encoding.PEM))
    return files


def add_authority(folder: Path) -> None:
    """A new authority for what is issued from now on; the bundle keeps the older ones, so that both are trusted."""
    _authority(folder)
    older = (folder / "ca.crt").read_bytes()
    key, cert = _new_authority()
    # The bundle first: whoever stops in between trusts one authority more than it uses.
    _replace(folder / "ca.crt", cert.public_bytes(serialization.Encoding.PEM) + older)
    _replace(folder / "ca.pem", _pem(key))


def drop_older_authorities(folder: Path) -> int:
    """Trusts the newest authority alone; returns how many were dropped."""
    bundle = x509.load_pem_x509_certificates((folder / "ca.crt").read_bytes())
    _replace(folder / "ca.crt", bundle[0].public_bytes(serialization.Encoding.PEM))
    return len(bundle) - 1


def of_newest_authority(files: TlsFiles) -> bool:
    """Whether a certificate would still be trusted after `drop_older_authorities`."""
    newest = x509.load_pem_x509_certificate(files.ca.read_bytes())
    try:
        x509.load_pem_x509_certificate(files.cert.read_bytes()).verify_directly_issued_by(newest)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def refuse_development(settings: ServiceSettings, files: TlsFiles) -> None:
    """Raises SettingsError in production when certificates of a development authority would be trusted."""
    if settings.environment is not Environment.PRODUCTION:
        return
    try:
        authorities = x509.load_pem_x509_certificates(files.ca.read_bytes())
    except ValueError:
        raise SettingsError(f"tls_ca: {files.ca.name} holds no certificate") from None
    for authority in authorities:
        names = authority.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        if any(name.value == DEVELOPMENT_CA for name in names):
            raise SettingsError("tls_ca: a development authority is not accepted in production")


def _authority(folder: Path) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key_path, cert_path = folder / "ca.pem", folder / "ca.crt"
    if key_path.exists() and cert_path.exists():
        key = serialization.load_pem_private_key(key_path.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101 - we wrote it
        return key, x509.load_pem_x509_certificate(cert_path.read_bytes())
    key, cert = _new_authority()
    write_private(key_path, _pem(key))
    cert_path.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    return key, cert


def _new_authority() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    # A serial number in the name, too: two authorities stand in one bundle during a change, and are told apart by name.
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, DEVELOPMENT_CA),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, secrets.token_hex(8)),
        ]
    )
    cert = (
        _builder(name, key, name, AUTHORITY_VALIDITY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return key, cert


def _ends_soon(path: Path) -> bool:
    try:
        cert = x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError:
        return False  # whoever reads it next says what is wrong with it
    return cert.not_valid_after_utc - dt.datetime.now(dt.UTC) < RENEW_BEFORE


def _replace(path: Path, data: bytes) -> None:
    """All at once: a process that reads meanwhile sees the old file or the new one."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    write_private(fresh, data)
    if path.suffix == ".crt":
        fresh.chmod(0o644)
    fresh.replace(path)


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, issuer: x509.Name, life: dt.timedelta
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + life)
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
