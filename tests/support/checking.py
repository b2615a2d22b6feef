"""What Envoy's ext_authz would ask of the gateway."""

from __future__ import annotations

from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.envoy.auth.v3 import external_auth_pb2 as pb


def question(credential: auth.Credential, **extensions: str) -> pb.CheckRequest:
    """A GET with the credential's token; `extensions` are those of a route."""
    request = pb.CheckRequest()
    seen = request.attributes
    seen.source.address.socket_address.address = "192.0.2.44"
    seen.request.http.method, seen.request.http.host = "GET", "shop.example"
    field = seen.request.http.header_map.headers.add(key="authorization")
    field.raw_value = f"Bearer {credential.jwt}".encode()
    seen.context_extensions.update(extensions)
    return request
