"""A development certificate authority and the certificates it issues. Production brings its own."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from services.kit.keys import write_private
from services.kit.settings import Environment, ServiceSettings, SettingsError
from services.kit.tls import INTERNAL_DOMAIN, TlsFiles

# Production refuses a chain whose authority carries this name.
DEVELOPMENT_CA = "Hauberk development CA, not for production"
VALIDITY = dt.timedelta(days=365)


def issue(folder: Path, trust_domain: str, workload: str, *, serves: Sequence[str] = ()) -> TlsFiles:
    """The certificate of `workload` (made on the first call) under the folder's own authority.

    `serves` are the kinds whose server name it may carry, e.g. ["auth"]; localhost and loopback are always in.
    """
    stem = workload.replace("/", "-")
    files = TlsFiles(folder / f"{stem}.crt", folder / f"{stem}.pem", folder / "ca.crt")
    ca_key, ca_cert = _authority(folder)
    if files.cert.exists() and files.key.exists():
        return files
    key = ec.generate_private_key(ec.SECP256R1())
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(f"spiffe://{trust_domain}/{workload}")]
    names += [x509.DNSName(f"{kind}.{INTERNAL_DOMAIN}") for kind in serves]
    names += [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH] + ([ExtendedKeyUsageOID.SERVER_AUTH] if serves else [])
    cert = (
        _builder(workload, key, ca_cert.subject)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    files.key.unlink(missing_ok=True)
    write_private(files.key, _pem(key))
    files.cert.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    return files


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
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, DEVELOPMENT_CA)])
    cert = (
        _builder(DEVELOPMENT_CA, key, name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    write_private(key_path, _pem(key))
    cert_path.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    return key, cert


def _builder(common_name: str, key: ec.EllipticCurvePrivateKey, issuer: x509.Name) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + VALIDITY)
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
