"""In production a process does not start with certificates of the development authority."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.kit.certs import issue, refuse_development
from services.kit.run import serve
from services.kit.server import App, Wiring
from services.kit.settings import ServiceSettings, SettingsError


async def _never(_settings: ServiceSettings, _wiring: Wiring) -> App:
    raise AssertionError("the process went on")


def production(folder: Path) -> ServiceSettings:
    files = issue(folder, "hauberk.local", "auth", serves=["auth"])
    return ServiceSettings.model_validate(
        {"environment": "production", "tls_cert": files.cert, "tls_key": files.key, "tls_ca": files.ca}
    )


def other_authority() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Example root")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


async def test_the_development_authority_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="a development authority is not accepted in production"):
        await serve(production(tmp_path), _never)


def test_it_is_found_among_other_authorities_too(tmp_path: Path) -> None:
    settings = production(tmp_path)
    files = issue(tmp_path, "hauberk.local", "auth")
    files.ca.write_bytes(other_authority() + files.ca.read_bytes())
    with pytest.raises(SettingsError, match="development authority"):
        refuse_development(settings, files)


def test_another_authority_is_accepted_and_no_certificate_is_an_error(tmp_path: Path) -> None:
    settings = production(tmp_path)
    files = issue(tmp_path, "hauberk.local", "auth")
    files.ca.write_bytes(other_authority())
    refuse_development(settings, files)
    files.ca.write_text("nothing")
    with pytest.raises(SettingsError, match="holds no certificate"):
        refuse_development(settings, files)


def test_development_goes_on(tmp_path: Path) -> None:
    files = issue(tmp_path, "hauberk.local", "auth")
    refuse_development(ServiceSettings.model_validate({}), files)
