"""The boundary: the outermost layer, the only place that aborts a call.

Errors of the kit become canonical statuses with google.rpc details; everything else becomes INTERNAL without a word of
what happened. (An un-awaited abort is an allow, which is why nobody else may call it.)
"""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from services.kit.call import Call, Proceed
from services.kit.errors import INTERNAL, KitError, public
from services.kit.logs import logger

DOMAIN = "hauberk"
DETAILS_KEY = "grpc-status-details-bin"


class Boundary:
    """Turns what a call raised into its status."""

    name = "boundary"
    after: tuple[str, ...] = ()

    async def __call__(self, call: Call, proceed: Proceed) -> Any:
        """Runs everything else; lets nothing leak."""
        try:
            return await proceed()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - the last line of defence: only the class name is kept
            known = public(error)
            if known is INTERNAL:
                logger().error("rpc.internal_error", method=call.method.lstrip("/"), error_class=type(error).__name__)
            await _abort(call, known)


async def _abort(call: Call, error: KitError) -> NoReturn:
    call.outcome = error.reason
    details = status_of(error).SerializeToString()
    await call.context.abort(error.code, error.message, trailing_metadata=((DETAILS_KEY, details),))


def status_of(error: KitError) -> status_pb2.Status:
    """The google.rpc.Status of an error, with ErrorInfo, BadRequest, QuotaFailure and RetryInfo where they apply."""
    status = status_pb2.Status(code=getattr(code_pb2, error.code.name), message=error.message)
    _attach(status, error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata))
    if error.violations:
        bad = error_details_pb2.BadRequest()
        for violation in error.violations:
            bad.field_violations.add(field=violation.field, description=violation.rule)
        _attach(status, bad)
    if error.code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        quota = error_details_pb2.QuotaFailure()
        quota.violations.add(subject=DOMAIN, description=error.message)
        _attach(status, quota)
    if error.retry_after is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(max(1, round(error.retry_after * 1000)))
        _attach(status, retry)
    return status


def _attach(status: status_pb2.Status, detail: Any) -> None:
    packed = any_pb2.Any()
    packed.Pack(detail)
    status.details.append(packed)
