"""Somebody settles, releases or extends a reservation that another workload made."""

from __future__ import annotations

import grpc
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as pb
from hauberk.ratelimit.v1.ratelimit_service_pb2_grpc import RateLimitServiceStub

from tests.support.backend import DEADLINE, Backend, allowed, fresh, status_of


async def test_the_gateways_reservation_is_not_the_backends(backend: Backend, thief: Backend) -> None:
    user = await backend.member(fresh("user"))
    answer = await backend.admit(user)
    for hands in (backend, thief):
        own = await hands.proof(user)
        stub = RateLimitServiceStub(hands.channel("ratelimit"))
        given_back = await stub.Release(pb.ReleaseRequest(reservation=answer.txn), timeout=DEADLINE, metadata=own)
        settled = await stub.Commit(
            pb.CommitRequest(reservation=answer.txn, used=pb.Cost()), timeout=DEADLINE, metadata=own
        )
        assert given_back.settlement == settled.settlement == pb.SETTLEMENT_NOT_FOUND
        more = stub.Extend(
            pb.ExtendRequest(reservation=answer.txn, more=pb.Cost(output_tokens=1)), timeout=DEADLINE, metadata=own
        )
        assert await status_of(more) is grpc.StatusCode.NOT_FOUND
    done = await backend.complete(answer.admission, "Hello.")
    assert allowed(done)
    assert done.settlement == pb.SETTLEMENT_APPLIED


async def test_a_backends_reservation_is_not_another_backends(backend: Backend, thief: Backend) -> None:
    user = await backend.member(fresh("user"))
    mine, theirs = (RateLimitServiceStub(hands.channel("ratelimit")) for hands in (backend, thief))
    own = await backend.proof(user)
    request = pb.DecideRequest(
        mode=pb.MODE_RESERVE, request_id=fresh("hold"), cost=pb.Cost(requests=1, output_tokens=10, model="self-hosted")
    )
    held = await mine.Decide(request, timeout=DEADLINE, metadata=own)
    assert held.reservation
    stolen = await theirs.Release(
        pb.ReleaseRequest(reservation=held.reservation), timeout=DEADLINE, metadata=await thief.proof(user)
    )
    assert stolen.settlement == pb.SETTLEMENT_NOT_FOUND
    back = await mine.Release(pb.ReleaseRequest(reservation=held.reservation), timeout=DEADLINE, metadata=own)
    assert back.settlement == pb.SETTLEMENT_APPLIED
