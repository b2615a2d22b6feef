"""Makes tokens that are wrong in exactly one way."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.unit.auth import issuer
from tests.unit.auth.issuer import claims_at, encoded, header, raw

# A second issuer, whose family is elliptic.
ES_ISSUER = "https://curve.acme.test"
ES_RULES = replace(issuer.RULES, name="acme-curve", issuer=ES_ISSUER, algorithms=frozenset({"ES256"}))
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
P384_KEY = ec.generate_private_key(ec.SECP384R1())
K1_KEY = ec.generate_private_key(ec.SECP256K1())
_TIMES = {"exp", "iat", "nbf"}
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def good(now: float) -> str:
    return raw(header(), claims_at(now))


def tampered(now: float) -> str:
    head, _, signature = good(now).split(".")
    return f"{head}.{encoded(claims_at(now, sub='root'))}.{signature}"


def part(now: float, index: int, text: str) -> str:
    parts = good(now).split(".")
    parts[index] = text
    return ".".join(parts)


def respelled(now: float, index: int = 2, **claims: Any) -> str:
    """The same bytes with the spare bits of a part's last character set."""
    parts = raw(header(), claims_at(now, **claims)).split(".")
    text = parts[index]
    assert len(text) % 4, "a part without spare bits has one spelling only"
    parts[index] = text[:-1] + _ALPHABET[_ALPHABET.index(text[-1]) + 1]
    return ".".join(parts)


def respelled_payload(now: float) -> str:
    """Signed over the other spelling, so that nothing but the spelling is wrong."""
    body = json.dumps(claims_at(now)).encode()
    body += b" " * (1 if len(body) % 3 == 0 else 0)
    text = encoded(body)
    text = text[:-1] + _ALPHABET[_ALPHABET.index(text[-1]) + 1]
    message = f"{encoded(header())}.{text}".encode()
    return f"{message.decode()}.{encoded(issuer.signed(message))}"


def curved(now: float, **changes: Any) -> str:
    """A good token of the issuer with a curve."""
    return issuer.es256(claims_at(now, iss=ES_ISSUER, **changes))


def curve_signature(now: float, change: Callable[[int, int], bytes]) -> str:
    """A good token with r and s as `change` makes them."""
    message = ".".join((encoded(header(alg="ES256")), encoded(claims_at(now, iss=ES_ISSUER))))
    r, s = decode_dss_signature(issuer.EC_KEY.sign(message.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{message}.{encoded(change(r, s))}"


def words(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(32, "big") for number in numbers)


def der(now: float) -> str:
    message = ".".join((encoded(header(alg="ES256")), encoded(claims_at(now, iss=ES_ISSUER))))
    return f"{message}.{encoded(issuer.EC_KEY.sign(message.encode(), ec.ECDSA(hashes.SHA256())))}"


def of_curve(key: ec.EllipticCurvePrivateKey, now: float) -> str:
    message = ".".join((encoded(header(alg="ES256")), encoded(claims_at(now, iss=ES_ISSUER))))
    r, s = decode_dss_signature(key.sign(message.encode(), ec.ECDSA(hashes.SHA256())))
    size = (key.curve.key_size + 7) // 8
    return f"{message}.{encoded(r.to_bytes(size, 'big') + s.to_bytes(size, 'big'))}"


def twice(now: float, extra: bytes) -> str:
    """A payload in which a name stands a second time."""
    return raw(header(), json.dumps(claims_at(now)).encode()[:-1] + b"," + extra + b"}")


def literally(now: float, name: str, text: str) -> str:
    """A payload in which a claim is exactly this JSON text."""
    return raw(header(), json.dumps(claims_at(now, **{name: "@"})).replace('"@"', text).encode())


def at(now: float, changes: Mapping[str, object]) -> str:
    """A signed token with these claims; times are relative."""
    moved = {name: int(now) + v if name in _TIMES and isinstance(v, int) else v for name, v in changes.items()}
    return raw(header(), claims_at(now, **moved))
