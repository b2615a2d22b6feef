"""Every RPC of the contract, and how to call any of them without knowing its messages."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2
from grpc import aio

from services.kit.access import ANONYMOUS, TENANT, AccessRule, rules_of

GEN = Path(__file__).resolve().parents[2] / "gen"
DEADLINE = 3.0
BACKEND = "backend/demo"
# Contracts of others, and who serves them.
FOREIGN = {"ratelimit": "ratelimit", "auth": "gateway", "ext_proc": "gateway"}


@dataclass(frozen=True)
class Rpc:
    """One method: `area` is the kind of workload that serves it, e.g. `auth`."""

    area: str
    path: str
    rule: AccessRule
    method: MethodDescriptor

    @property
    def is_tenant(self) -> bool:
        return self.rule.kind == TENANT

    @property
    def is_anonymous(self) -> bool:
        return self.rule.kind == ANONYMOUS

    def insider(self) -> str:
        """A workload that the matrix lets in."""
        kind = "backend" if "backend" in self.rule.workloads else min(self.rule.workloads, default=BACKEND)
        return BACKEND if kind == "backend" else kind

    def __str__(self) -> str:
        return f"{self.area}.{self.method.name}"


def _all() -> list[Rpc]:
    found = []
    files = [(file.parts[-3].replace("_", "-"), file) for file in sorted(GEN.glob("hauberk/*/v1/*_service_pb2.py"))]
    for folder, area in FOREIGN.items():
        files += [(area, file) for file in sorted(GEN.glob(f"hauberk/envoy/{folder}/v3/*_pb2.py"))]
    for area, file in files:
        module = importlib.import_module(".".join(file.relative_to(GEN).with_suffix("").parts))
        for service in module.DESCRIPTOR.services_by_name.values():
            rules = rules_of([service])
            for method in service.methods:
                path = f"/{service.full_name}/{method.name}"
                found.append(Rpc(area, path, rules[path], method))
    return found


ALL = _all()
SERVED_AREAS = ("gateway", "auth", "tenancy", "ratelimit", "redaction", "guardrail", "context-token", "audit")
SERVED = [rpc for rpc in ALL if rpc.area in SERVED_AREAS]
SERVED_TENANT = [rpc for rpc in SERVED if rpc.is_tenant]


@dataclass(frozen=True)
class Answer:
    """What came back: code OK for an answer, else the status with its reason and every word of it."""

    code: grpc.StatusCode
    reason: str = ""
    words: str = ""


# What grpcio's own client says when a stream was refused before it had sent its first message.
NOT_BEGUN = "Internal error from Core"


async def call(channel: Any, rpc: Rpc, tokens: Sequence[str] = (), request: Any = None) -> Answer:
    """Calls the method with an empty request (authentication comes before validation)."""
    for _ in range(4):
        answer = await _call(channel, rpc, tokens, request)
        if not answer.words.startswith(NOT_BEGUN):
            break
    return answer


async def _call(channel: Any, rpc: Rpc, tokens: Sequence[str], request: Any) -> Answer:
    request = GetMessageClass(rpc.method.input_type)() if request is None else request
    shape = ("stream" if rpc.method.client_streaming else "unary") + (
        "_stream" if rpc.method.server_streaming else "_unary"
    )
    method = getattr(channel, shape)(
        rpc.path,
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetMessageClass(rpc.method.output_type).FromString,
    )
    argument = _one(request) if rpc.method.client_streaming else request
    try:
        pending = method(argument, timeout=DEADLINE, metadata=[("txn-token", token) for token in tokens])
        if rpc.method.server_streaming:
            async for _ in pending:
                break
            pending.cancel()
        else:
            await pending
    except aio.AioRpcError as error:
        return Answer(error.code(), _reason(error), f"{error.details()} {error.trailing_metadata()}")
    return Answer(grpc.StatusCode.OK)


async def _one(request: Any) -> AsyncIterator[Any]:
    yield request


def _reason(error: aio.AioRpcError) -> str:
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            for detail in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info):
                    return str(info.reason)
    return ""
