"""A server with its layers in a wrong order, or a method without an access rule, does not start."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from hauberk.auth.v1 import auth_service_pb2 as auth_pb
from hauberk.common.v1 import access_pb2

from services.kit.access import TENANT, UndeclaredAccessError, rules_of
from services.kit.call import Call, LayeredInterceptor, LayerOrderError, Proceed, check_order
from services.kit.server import layers_of
from services.kit.telemetry.tracing import OFF
from tests.unit.kit.world import Auth, app_of, settings_of


class Named:
    def __init__(self, name: str, *after: str) -> None:
        self.name = name
        self.after: tuple[str, ...] = after

    async def __call__(self, call: Call, proceed: Proceed) -> Any:
        return await proceed()


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ([Named("a"), Named("a")], "twice"),
        ([Named("a", "b"), Named("b")], "layer a needs b before it"),
        ([Named("a", "nowhere")], "needs nowhere"),
        ([Named("a", "a")], "needs a"),
    ],
    ids=["repeated", "too late", "unknown", "circular"],
)
def test_a_wrong_order_is_refused_at_boot(layers: list[Named], said: str) -> None:
    with pytest.raises(LayerOrderError, match=said):
        LayeredInterceptor(layers, {})


def test_every_order_but_the_declared_ones_is_refused() -> None:
    layers = layers_of(app_of(Auth()), settings_of(), None, OFF)
    check_order(layers)
    names = [layer.name for layer in layers]
    assert names.index("boundary") == 0
    assert names.index("identity") < names.index("validation")
    for moved in ("boundary", "identity"):
        wrong = [layer for layer in layers if layer.name != moved]
        with pytest.raises(LayerOrderError, match=moved):
            check_order(wrong)


def _service(kind: Any, *workloads: str) -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="undeclared.proto", package="undeclared")
    file.dependency.extend(["hauberk/common/v1/access.proto", "hauberk/auth/v1/auth_service.proto"])
    method = file.service.add(name="Door").method.add(name="Open")
    method.input_type = method.output_type = ".hauberk.auth.v1.GetJwksRequest"
    if kind is not None:
        method.options.Extensions[access_pb2.access].kind = kind
        method.options.Extensions[access_pb2.access].workloads.extend(workloads)
    pool = descriptor_pool.DescriptorPool()
    known = descriptor_pool.Default()
    needed: list[str] = []

    def collect(name: str) -> None:
        if name not in needed:
            for dependency in known.FindFileByName(name).dependencies:
                collect(dependency.name)
            needed.append(name)

    for name in file.dependency:
        collect(name)
    for name in needed:
        copy = descriptor_pb2.FileDescriptorProto()
        known.FindFileByName(name).CopyToProto(copy)
        pool.Add(copy)
    pool.Add(file)
    return pool.FindServiceByName("undeclared.Door")


def test_a_method_without_access_does_not_start() -> None:
    with pytest.raises(UndeclaredAccessError, match=r"undeclared\.Door\.Open declares no access"):
        rules_of([_service(None)])


def test_a_method_that_names_no_workload_does_not_start() -> None:
    with pytest.raises(UndeclaredAccessError, match="names no workload"):
        rules_of([_service(TENANT)])


def test_the_rules_are_those_of_the_contract() -> None:
    rules = rules_of([auth_pb.DESCRIPTOR.services_by_name["AuthService"]])
    rule = rules["/hauberk.auth.v1.AuthService/CreateApiKey"]
    assert (rule.kind, set(rule.workloads), rule.scope) == (int(TENANT), {"gateway", "backend"}, "keys.manage")
