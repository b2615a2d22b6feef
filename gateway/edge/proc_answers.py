"""What Envoy is told while it shows a request: to go on, to change something, or to answer in our words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from hauberk.envoy.core.v3 import base_pb2 as core
from hauberk.envoy.ext_proc.v3 import external_processor_pb2 as pb

from gateway.edge.openai import errors

# Above it Envoy advises against a piece of a body.
PIECE = 60_000
_OVERWRITE = core.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD


def fields_of(headers: core.HeaderMap) -> dict[str, str]:
    """Header fields by lower-case name; several of one name are joined."""
    found: dict[str, str] = {}
    for one in headers.headers:
        key, value = one.key.lower(), one.value or one.raw_value.decode("latin-1")
        found[key] = f"{found[key]},{value}" if key in found else value
    return found


def _changed(change: pb.HeaderMutation, fields: Mapping[str, str], removed: Iterable[str]) -> None:
    for key, value in fields.items():
        header = core.HeaderValue(key=key.lower(), raw_value=value.encode("latin-1", "replace"))
        change.set_headers.add(header=header, append_action=_OVERWRITE)
    change.remove_headers.extend(removed)


def request_headers(removed: Iterable[str]) -> pb.ProcessingResponse:
    """The request's header fields go on without these."""
    answer = pb.ProcessingResponse()
    _changed(answer.request_headers.response.header_mutation, {}, removed)
    return answer


def request_body(body: bytes) -> pb.ProcessingResponse:
    """Another body for the model's server, with the length that Envoy demands of us."""
    answer = pb.ProcessingResponse()
    common = answer.request_body.response
    common.body_mutation.body = body
    _changed(common.header_mutation, {"content-length": str(len(body))}, ())
    return answer


def response_headers(fields: Mapping[str, str], removed: Iterable[str]) -> pb.ProcessingResponse:
    """The answer's header fields go on with these set and those gone."""
    answer = pb.ProcessingResponse()
    _changed(answer.response_headers.response.header_mutation, fields, removed)
    return answer


def response_body(body: bytes, *, end: bool) -> Iterator[pb.ProcessingResponse]:
    """A body in pieces of a size that Envoy likes."""
    pieces = [body[start : start + PIECE] for start in range(0, len(body), PIECE)] or [b""]
    for number, piece in enumerate(pieces, 1):
        answer = pb.ProcessingResponse()
        streamed = answer.response_body.response.body_mutation.streamed_response
        streamed.body, streamed.end_of_stream = piece, end and number == len(pieces)
        yield answer


def trailers(name: str) -> pb.ProcessingResponse:
    """Trailers go on as they are: `request_trailers` or `response_trailers`."""
    answer = pb.ProcessingResponse()
    getattr(answer, name).SetInParent()
    return answer


def immediate(
    status: int, code: str, message: str, param: str = "", fields: Mapping[str, str] | None = None
) -> pb.ProcessingResponse:
    """The client gets this error, and nothing else of the request."""
    answer = pb.ProcessingResponse()
    own = answer.immediate_response
    own.status.code = status  # type: ignore[assignment] # every status of ours is in the enum
    own.body = errors.body(status, code, message, param)
    _changed(own.headers, {"content-type": "application/json", **(fields or {})}, ())
    own.details = f"hauberk_{code}"
    return answer
