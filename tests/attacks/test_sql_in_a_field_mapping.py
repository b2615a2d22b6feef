"""A backend passes on what its users call their columns: no name carries SQL into the predicate."""

from __future__ import annotations

import re

import grpc
import pytest
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb
from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

from services.tenancy.policy.filters import BadColumnError, Field, among, to_sql
from tests.support.backend import Backend

NAMES = (
    "id) OR (1=1",
    'id" OR "1"="1',
    "id; DROP TABLE documents",
    "id--",
    "id/**/",
    "a.b.c.d",
    "(SELECT 1)",
    "id\x00",
    "id\n",
    "ıd",
    "1id",
    ".id",
    "id.",
    "",
    " id",
    "x" * 64,
)


@pytest.mark.parametrize("name", NAMES)
async def test_the_contract_and_the_core_refuse_it(backend: Backend, name: str) -> None:
    tenancy = TenancyServiceStub(backend.channel("tenancy"))
    request = pb.PlanRetrievalRequest(
        resource_type="Document",
        action="document.read",
        columns=[pb.FieldColumn(field=pb.RESOURCE_FIELD_ID, column=name)],
    )
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await tenancy.PlanRetrieval(request, metadata=await backend.administer(), timeout=5)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(BadColumnError):
        to_sql(among(Field.ID, ["x"]), {Field.ID: name})


async def test_a_value_never_stands_in_the_text(backend: Backend) -> None:
    values = ["x') OR ('1'='1", 'x"', "$1", "%s", "\\"]
    text, parameters = to_sql(among(Field.ID, values), {Field.ID: "SELECT"})
    assert sorted(parameters) == sorted(values)
    assert re.fullmatch(r'\(\("SELECT" IS NOT NULL AND "SELECT" IN \(\$1, \$2, \$3, \$4, \$5\)\)\)', text)
