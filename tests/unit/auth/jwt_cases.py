"""Tokens that must not be accepted: at least one for every known class of attack, with the cause of its refusal."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import jwt

from services.auth.policy.causes import Cause
from tests.unit.auth import issuer
from tests.unit.auth.issuer import claims_at, encoded, header, hmac_with, raw
from tests.unit.auth.jwt_forging import (
    ES_ISSUER,
    K1_KEY,
    ORDER,
    P384_KEY,
    at,
    curve_signature,
    der,
    good,
    literally,
    of_curve,
    part,
    respelled,
    respelled_payload,
    tampered,
    twice,
    words,
)

Forge = Callable[[float], str]
Cases = Mapping[str, tuple[Forge, Cause]]

SHAPES: Cases = {
    "empty": (lambda _: "", Cause.JWT_MALFORMED),
    "dots only": (lambda _: "..", Cause.JWT_MALFORMED),
    "two parts": (lambda n: good(n).rpartition(".")[0], Cause.JWT_MALFORMED),
    "four parts": (lambda n: good(n) + ".x", Cause.JWT_MALFORMED),
    "empty header": (lambda n: part(n, 0, ""), Cause.JWT_MALFORMED),
    "empty payload, as when detached": (lambda n: part(n, 1, ""), Cause.JWT_MALFORMED),
    "empty signature": (lambda n: good(n).rpartition(".")[0] + ".", Cause.JWT_MALFORMED),
    "padding": (lambda n: good(n) + "==", Cause.JWT_MALFORMED),
    "padding within": (lambda n: part(n, 0, encoded(header()) + "="), Cause.JWT_MALFORMED),
    "signature respelled": (respelled, Cause.JWT_MALFORMED),
    "payload respelled": (respelled_payload, Cause.JWT_MALFORMED),
    "newline": (lambda n: good(n) + "\n", Cause.JWT_MALFORMED),
    "newline within": (lambda n: good(n).replace(".", ".\r\n", 1), Cause.JWT_MALFORMED),
    "space": (lambda n: " " + good(n), Cause.JWT_MALFORMED),
    "tab": (lambda n: good(n) + "\t", Cause.JWT_MALFORMED),
    "zero byte": (lambda n: good(n) + "\0", Cause.JWT_MALFORMED),
    "zero-width character": (lambda n: good(n) + "\u200b", Cause.JWT_MALFORMED),
    "bearer in front": (lambda n: "Bearer " + good(n), Cause.JWT_MALFORMED),
    "full-width dots": (lambda n: good(n).replace(".", "\uff0e"), Cause.JWT_MALFORMED),
    "plus and slash": (lambda n: part(n, 2, "ab+/"), Cause.JWT_MALFORMED),
    "not ascii": (lambda n: part(n, 2, "é" * 8), Cause.JWT_MALFORMED),
    "json serialisation": (lambda n: json.dumps({"payload": good(n)}), Cause.JWT_MALFORMED),
    "encrypted, five parts": (lambda n: ".".join(["e30"] * 5), Cause.JWT_MALFORMED),
    "nested: the payload is a token": (lambda n: raw(header(), good(n).encode()), Cause.JWT_MALFORMED),
    "oversize": (lambda n: raw(header(), claims_at(n, pad="x" * 8192)), Cause.JWT_OVERSIZE),
    "header of 100 kB": (lambda n: raw(header(pad="x" * 100_000), claims_at(n)), Cause.JWT_OVERSIZE),
    "header is a list": (lambda n: raw(b"[]", claims_at(n)), Cause.JWT_MALFORMED),
    "header is null": (lambda n: raw(b"null", claims_at(n)), Cause.JWT_MALFORMED),
    "header is not json": (lambda n: raw(b"{", claims_at(n)), Cause.JWT_MALFORMED),
    "header is not utf-8": (lambda n: raw(b"\xff\xfe", claims_at(n)), Cause.JWT_MALFORMED),
    "header is utf-16": (lambda n: raw(json.dumps(header()).encode("utf-16"), claims_at(n)), Cause.JWT_MALFORMED),
    "header with a byte order mark": (
        lambda n: raw(b"\xef\xbb\xbf" + json.dumps(header()).encode(), claims_at(n)),
        Cause.JWT_MALFORMED,
    ),
    "header and more": (lambda n: raw(json.dumps(header()).encode() + b"{}", claims_at(n)), Cause.JWT_MALFORMED),
    "header is deep": (lambda n: raw(b'{"a":' * 900 + b"1" + b"}" * 900, claims_at(n)), Cause.JWT_MALFORMED),
    "payload is text": (lambda n: raw(header(), b'"x"'), Cause.JWT_MALFORMED),
    "payload is deep": (lambda n: raw(header(), b"[" * 3000), Cause.JWT_MALFORMED),
    "payload is broad": (lambda n: raw(header(), claims_at(n, pad=[[]] * 400)), Cause.JWT_MALFORMED),
    "payload holds NaN": (lambda n: literally(n, "exp", "NaN"), Cause.JWT_MALFORMED),
    "payload holds infinity": (lambda n: literally(n, "exp", "Infinity"), Cause.JWT_MALFORMED),
    "a number of 5000 digits": (lambda n: literally(n, "exp", "9" * 5000), Cause.JWT_MALFORMED),
    "a name twice in the header": (
        lambda n: raw(b'{"alg":"RS256","alg":"none","kid":"k1","typ":"jwt"}', claims_at(n)),
        Cause.JWT_MALFORMED,
    ),
    "a name twice in the payload": (lambda n: twice(n, b'"sub":"root"'), Cause.JWT_MALFORMED),
    "a name twice, once escaped": (lambda n: twice(n, b'"s\\u0075b":"root"'), Cause.JWT_MALFORMED),
    "a name twice further in": (lambda n: twice(n, b'"org":{"a":1,"a":2}'), Cause.JWT_MALFORMED),
}
ALGORITHMS: Cases = {
    "alg none": (lambda n: raw(header(alg="none"), claims_at(n)), Cause.JWT_ALGORITHM),
    "alg None": (lambda n: raw(header(alg="None"), claims_at(n)), Cause.JWT_ALGORITHM),
    "alg nOnE": (lambda n: raw(header(alg="nOnE"), claims_at(n)), Cause.JWT_ALGORITHM),
    "alg empty": (lambda n: raw(header(alg=""), claims_at(n)), Cause.JWT_ALGORITHM),
    "alg lower case": (lambda n: raw(header(alg="rs256"), claims_at(n)), Cause.JWT_ALGORITHM),
    "alg with a space": (lambda n: raw(header(alg="RS256 "), claims_at(n)), Cause.JWT_ALGORITHM),
    "alg missing": (lambda n: raw(header(alg=None), claims_at(n)), Cause.JWT_ALGORITHM),
    "alg is a list": (lambda n: raw(header(alg=["RS256"]), claims_at(n)), Cause.JWT_ALGORITHM),
    "alg is true": (lambda n: raw(header(alg=True), claims_at(n)), Cause.JWT_ALGORITHM),
    "alg of encryption": (lambda n: raw(header(alg="RSA-OAEP"), claims_at(n)), Cause.JWT_ALGORITHM),
    "alg of another family": (lambda n: issuer.es256(claims_at(n)), Cause.JWT_ALGORITHM),
    "alg of another padding, same key": (
        lambda n: jwt.encode(claims_at(n), issuer.RSA_KEY, "PS256", headers=header(alg="PS256")),
        Cause.JWT_ALGORITHM,
    ),
    "alg of the family, not in the list": (lambda n: raw(header(alg="RS512"), claims_at(n)), Cause.JWT_ALGORITHM),
    "HMAC with the PEM": (
        lambda n: hmac_with(issuer.public_pem(), header(alg="HS256"), claims_at(n)),
        Cause.JWT_ALGORITHM,
    ),
    "HMAC with the DER": (
        lambda n: hmac_with(issuer.public_der(), header(alg="HS256"), claims_at(n)),
        Cause.JWT_ALGORITHM,
    ),
    "HMAC with the JWK": (
        lambda n: hmac_with(json.dumps(issuer.jwk()).encode(), header(alg="HS256"), claims_at(n)),
        Cause.JWT_ALGORITHM,
    ),
    "HMAC with nothing": (lambda n: hmac_with(b"", header(alg="HS256"), claims_at(n)), Cause.JWT_ALGORITHM),
    "HMAC called RS256, of the PEM": (
        lambda n: hmac_with(issuer.public_pem(), header(), claims_at(n)),
        Cause.JWT_SIGNATURE,
    ),
    "HMAC called RS256, of the DER": (
        lambda n: hmac_with(issuer.public_der(), header(), claims_at(n)),
        Cause.JWT_SIGNATURE,
    ),
    "HMAC called RS256, of the JWK": (
        lambda n: hmac_with(json.dumps(issuer.jwk()).encode(), header(), claims_at(n)),
        Cause.JWT_SIGNATURE,
    ),
}
HEADERS: Cases = {
    "typ missing": (lambda n: raw(header(typ=None), claims_at(n)), Cause.JWT_TYPE),
    "typ of an id for something else": (lambda n: raw(header(typ="logout+jwt"), claims_at(n)), Cause.JWT_TYPE),
    "typ of our own tokens": (lambda n: raw(header(typ="txntoken+jwt"), claims_at(n)), Cause.JWT_TYPE),
    "typ of our own tokens, in capitals": (lambda n: raw(header(typ="TxnToken+JWT"), claims_at(n)), Cause.JWT_TYPE),
    "typ of our own tokens, in full": (
        lambda n: raw(header(typ="application/txntoken+jwt"), claims_at(n)),
        Cause.JWT_TYPE,
    ),
    "typ of context tokens": (lambda n: raw(header(typ="ctx+jwt"), claims_at(n)), Cause.JWT_TYPE),
    "typ is a number": (lambda n: raw(header(typ=1), claims_at(n)), Cause.JWT_TYPE),
    "jku": (lambda n: raw(header(jku="https://evil.test/jwks"), claims_at(n)), Cause.JWT_HEADER),
    "jku of the issuer itself": (
        lambda n: raw(header(jku=issuer.ISSUER + "/keys"), claims_at(n)),
        Cause.JWT_HEADER,
    ),
    "x5u": (lambda n: raw(header(x5u="https://evil.test/x"), claims_at(n)), Cause.JWT_HEADER),
    "jwk": (
        lambda n: raw(header(jwk=issuer.jwk(issuer.OTHER_RSA_KEY)), claims_at(n), issuer.OTHER_RSA_KEY),
        Cause.JWT_HEADER,
    ),
    "x5c": (lambda n: raw(header(x5c=["MIIB"]), claims_at(n)), Cause.JWT_HEADER),
    "crit, known": (lambda n: raw(header(crit=["exp"]), claims_at(n)), Cause.JWT_HEADER),
    "crit, unknown": (lambda n: raw(header(crit=["x-new"], **{"x-new": 1}), claims_at(n)), Cause.JWT_HEADER),
    "crit, empty": (lambda n: raw(header(crit=[]), claims_at(n)), Cause.JWT_HEADER),
    "b64": (lambda n: raw(header(b64=False), claims_at(n)), Cause.JWT_HEADER),
    "b64 with crit": (lambda n: raw(header(b64=False, crit=["b64"]), claims_at(n)), Cause.JWT_HEADER),
    "zip": (lambda n: raw(header(zip="DEF"), claims_at(n)), Cause.JWT_HEADER),
    "enc": (lambda n: raw(header(enc="A256GCM"), claims_at(n)), Cause.JWT_HEADER),
    "p2c": (lambda n: raw(header(p2c=2**31), claims_at(n)), Cause.JWT_HEADER),
    "cty of a nested token": (lambda n: raw(header(cty="JWT"), claims_at(n)), Cause.JWT_HEADER),
    "kid missing": (lambda n: raw(header(kid=None), claims_at(n)), Cause.JWT_KID),
    "kid empty": (lambda n: raw(header(kid=""), claims_at(n)), Cause.JWT_KID),
    "kid is a path": (lambda n: raw(header(kid="../../dev/null"), claims_at(n)), Cause.JWT_KID),
    "kid is SQL": (lambda n: raw(header(kid="x' UNION SELECT 'k"), claims_at(n)), Cause.JWT_KID),
    "kid is a command": (lambda n: raw(header(kid="k1|id"), claims_at(n)), Cause.JWT_KID),
    "kid is long": (lambda n: raw(header(kid="k" * 129), claims_at(n)), Cause.JWT_KID),
    "kid is very long": (lambda n: raw(header(kid="k" * 5000), claims_at(n)), Cause.JWT_KID),
    "kid is not ascii": (lambda n: raw(header(kid="k\u0131"), claims_at(n)), Cause.JWT_KID),
    "kid is half a character": (
        lambda n: raw(b'{"typ":"jwt","alg":"RS256","kid":"\\ud800"}', claims_at(n)),
        Cause.JWT_KID,
    ),
    "kid with a newline": (lambda n: raw(header(kid="k1\n"), claims_at(n)), Cause.JWT_KID),
    "kid with a zero byte": (lambda n: raw(header(kid="k1\0"), claims_at(n)), Cause.JWT_KID),
    "kid is a number": (lambda n: raw(header(kid=1), claims_at(n)), Cause.JWT_KID),
    "kid is an object": (lambda n: raw(header(kid={"$ne": ""}), claims_at(n)), Cause.JWT_KID),
    "kid unknown": (lambda n: raw(header(kid="k9"), claims_at(n)), Cause.JWT_UNKNOWN_KEY),
    "kid in capitals": (lambda n: raw(header(kid="K1"), claims_at(n)), Cause.JWT_UNKNOWN_KEY),
    "kid is an address": (lambda n: raw(header(kid="https://evil.test/k1"), claims_at(n)), Cause.JWT_UNKNOWN_KEY),
}
SIGNATURES: Cases = {
    "foreign key": (lambda n: raw(header(), claims_at(n), issuer.OTHER_RSA_KEY), Cause.JWT_SIGNATURE),
    "tampered": (tampered, Cause.JWT_SIGNATURE),
    "header exchanged": (lambda n: part(n, 0, encoded(header(typ="jwt"))), Cause.JWT_SIGNATURE),
    "short signature": (lambda n: part(n, 2, "AAAA"), Cause.JWT_SIGNATURE),
    "signature of zeros": (lambda n: part(n, 2, encoded(bytes(256))), Cause.JWT_SIGNATURE),
    "signature longer by a zero": (
        lambda n: part(n, 2, encoded(b"\0" + issuer.signed(good(n).rpartition(".")[0].encode()))),
        Cause.JWT_SIGNATURE,
    ),
    "signature of another token": (lambda n: part(n, 2, good(n - 1).rpartition(".")[2]), Cause.JWT_SIGNATURE),
    "curve: zeros for r and s": (lambda n: curve_signature(n, lambda r, s: words(0, 0)), Cause.JWT_SIGNATURE),
    "curve: s of zero": (lambda n: curve_signature(n, lambda r, s: words(r, 0)), Cause.JWT_SIGNATURE),
    "curve: r of the order": (lambda n: curve_signature(n, lambda r, s: words(ORDER, s)), Cause.JWT_SIGNATURE),
    "curve: ones": (lambda n: curve_signature(n, lambda r, s: b"\xff" * 64), Cause.JWT_SIGNATURE),
    "curve: r and s exchanged": (lambda n: curve_signature(n, lambda r, s: words(s, r)), Cause.JWT_SIGNATURE),
    "curve: a byte more": (lambda n: curve_signature(n, lambda r, s: words(r, s) + b"\0"), Cause.JWT_SIGNATURE),
    "curve: DER": (der, Cause.JWT_SIGNATURE),
    "curve: P-384": (lambda n: of_curve(P384_KEY, n), Cause.JWT_SIGNATURE),
    "curve: secp256k1": (lambda n: of_curve(K1_KEY, n), Cause.JWT_SIGNATURE),
    "curve: HMAC of the JWK": (
        lambda n: hmac_with(
            json.dumps(issuer.jwk(issuer.EC_KEY)).encode(), header(alg="HS256"), claims_at(n, iss=ES_ISSUER)
        ),
        Cause.JWT_ALGORITHM,
    ),
    "curve: signed by the other issuer's key": (
        lambda n: raw(header(), claims_at(n, iss=ES_ISSUER)),
        Cause.JWT_ALGORITHM,
    ),
}
CLAIMS: Mapping[str, tuple[dict[str, object], Cause]] = {
    "no exp": ({"exp": None}, Cause.JWT_CLAIMS),
    "no iat": ({"iat": None}, Cause.JWT_CLAIMS),
    "no sub": ({"sub": None}, Cause.JWT_CLAIMS),
    "no aud": ({"aud": None}, Cause.JWT_CLAIMS),
    "no iss": ({"iss": None}, Cause.JWT_ISSUER),
    "iss of another": ({"iss": "https://login.globex.test"}, Cause.JWT_ISSUER),
    "iss with a slash more": ({"iss": issuer.ISSUER + "/"}, Cause.JWT_ISSUER),
    "iss is a part of ours": ({"iss": issuer.ISSUER[:-1]}, Cause.JWT_ISSUER),
    "iss in capitals": ({"iss": issuer.ISSUER.upper()}, Cause.JWT_ISSUER),
    "iss with another l": ({"iss": issuer.ISSUER.replace("l", "\u04cf")}, Cause.JWT_ISSUER),
    "iss is empty": ({"iss": ""}, Cause.JWT_ISSUER),
    "iss is a list": ({"iss": [issuer.ISSUER]}, Cause.JWT_ISSUER),
    "aud of another": ({"aud": "somebody-else"}, Cause.JWT_AUDIENCE),
    "aud is a list of us": ({"aud": [issuer.AUDIENCE]}, Cause.JWT_AUDIENCE),
    "aud is a list with us": ({"aud": [issuer.AUDIENCE, "somebody-else"]}, Cause.JWT_AUDIENCE),
    "aud is empty": ({"aud": ""}, Cause.JWT_CLAIMS),
    "aud is an object": ({"aud": {issuer.AUDIENCE: 1}}, Cause.JWT_AUDIENCE),
    "aud in capitals": ({"aud": issuer.AUDIENCE.upper()}, Cause.JWT_AUDIENCE),
    "aud begins like ours": ({"aud": issuer.AUDIENCE + "-2"}, Cause.JWT_AUDIENCE),
    "exp in the past": ({"iat": -600, "exp": -31}, Cause.JWT_EXPIRED),
    "exp far away": ({"exp": 86_400}, Cause.JWT_LIFETIME),
    "exp before iat": ({"iat": 20, "exp": 10}, Cause.JWT_LIFETIME),
    "iat in the future": ({"iat": 90, "exp": 600}, Cause.JWT_NOT_YET_VALID),
    "iat long ago": ({"iat": -86_400}, Cause.JWT_LIFETIME),
    "nbf in the future": ({"nbf": 90}, Cause.JWT_NOT_YET_VALID),
    "sub is empty": ({"sub": ""}, Cause.JWT_SUBJECT),
    "sub is a number": ({"sub": 7}, Cause.JWT_SUBJECT),
    "sub is a list": ({"sub": ["ada"]}, Cause.JWT_SUBJECT),
    "sub is no user id": ({"sub": "ada lovelace"}, Cause.JWT_SUBJECT),
    "sub has a newline": ({"sub": "ada\n"}, Cause.JWT_SUBJECT),
    "sub is half a character": ({"sub": "\ud800"}, Cause.JWT_SUBJECT),
    "jti is a number": ({"jti": 7}, Cause.JWT_TOKEN_ID),
    "jti is empty": ({"jti": ""}, Cause.JWT_TOKEN_ID),
    "jti is long": ({"jti": "x" * 257}, Cause.JWT_TOKEN_ID),
    "jti is half a character": ({"jti": "\ud800"}, Cause.JWT_TOKEN_ID),
}
# Numbers as only JSON text can say them; the cause differs with who stumbles first, the library or the policy.
NUMBERS: Mapping[str, tuple[str, str]] = {
    "exp beyond every float": ("exp", "1e400"),
    "exp beyond every clock": ("exp", "1" + "0" * 400),
    "exp is text": ("exp", '"tomorrow"'),
    "exp is a number in text": ("exp", '"4102444800"'),
    "exp is true": ("exp", "true"),
    "exp is a list": ("exp", "[4102444800]"),
    "exp is an object": ("exp", "{}"),
    "exp is negative": ("exp", "-1"),
    "exp is null": ("exp", "null"),
    "iat beyond every float": ("iat", "-1e400"),
    "iat is true": ("iat", "true"),
    "iat is false": ("iat", "false"),
    "iat is text": ("iat", '"now"'),
    "iat is negative": ("iat", "-1"),
    "nbf beyond every float": ("nbf", "1e400"),
    "nbf is true": ("nbf", "true"),
    "nbf is text": ("nbf", '""'),
    "nbf is null": ("nbf", "null"),
}


def _claims(changes: Mapping[str, object]) -> Forge:
    return lambda now: at(now, changes)


def _number(name: str, text: str) -> Forge:
    return lambda now: literally(now, name, text)


FORGED: Cases = {**SHAPES, **ALGORITHMS, **HEADERS, **SIGNATURES}
EVERY: Mapping[str, Forge] = {
    **{name: forge for name, (forge, _) in FORGED.items()},
    **{name: _claims(changes) for name, (changes, _) in CLAIMS.items()},
    **{name: _number(*what) for name, what in NUMBERS.items()},
}
