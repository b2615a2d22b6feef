"""Envoy's ext_proc: one stream for each request of HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from hauberk.envoy.ext_proc.v3 import external_processor_pb2 as pb
from hauberk.envoy.ext_proc.v3 import external_processor_pb2_grpc as grpc_pb

from gateway.edge.lanes import WayBack
from gateway.edge.proc_admit import ProvenAdmit, Prover
from gateway.edge.proc_exchange import Exchange
from gateway.edge.proc_request import RequestSide
from gateway.edge.rules import Edges
from gateway.servicer import GatewayServicer
from gateway.settings import GatewaySettings
from services.kit.caller import current_workload


class ProcServicer(grpc_pb.ExternalProcessorServicer):
    """Serves `Process`."""

    def __init__(
        self,
        gateway: GatewayServicer,
        admit: ProvenAdmit,
        prover: Prover,
        way: WayBack,
        edges: Edges,
        settings: GatewaySettings,
    ) -> None:
        self._gateway = gateway
        self._admit = admit
        self._prover = prover
        self._way = way
        self._edges = edges
        self._settings = settings

    async def Process(
        self, request_iterator: AsyncIterator[pb.ProcessingRequest], _context: Any
    ) -> AsyncIterator[pb.ProcessingResponse]:
        """Reads on while it answers; ends when Envoy does, or with an error."""
        out: asyncio.Queue[pb.ProcessingResponse | None] = asyncio.Queue()
        request = RequestSide(self._gateway, self._admit, self._prover, self._settings)
        exchange = Exchange(request, self._gateway, self._way, out)
        reading = asyncio.create_task(exchange.run(self._named(request_iterator)))
        reading.add_done_callback(lambda _: out.put_nowait(None))
        try:
            while (answer := await out.get()) is not None:
                yield answer
            if exchange.failed is not None:
                raise exchange.failed
            await reading
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _named(self, events: AsyncIterator[pb.ProcessingRequest]) -> AsyncIterator[pb.ProcessingRequest]:
        """An Envoy that the policy does not name shows nothing."""
        workload = current_workload().name
        async for event in events:
            self._edges.of(workload)
            yield event
