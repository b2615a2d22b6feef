"""Builds the gateway: the only file here that knows how it is wired."""

from __future__ import annotations

from hauberk.gateway.v1 import gateway_service_pb2 as pb
from hauberk.gateway.v1 import gateway_service_pb2_grpc as grpc_pb

from gateway.clients import Services
from gateway.finaliser import Finaliser
from gateway.replies import load
from gateway.servicer import GatewayServicer
from gateway.settings import GatewaySettings
from gateway.signals import Signals
from services.kit.server import App, Mount, Wiring


async def build(settings: GatewaySettings, wiring: Wiring) -> App:
    """The gateway over channels to its peers; the chain is checked here."""
    finaliser = Finaliser(wiring.trail, wiring.clock)
    services = Services(wiring.channel)
    signals = Signals(services, settings.signals)
    servicer = GatewayServicer(services, settings, finaliser, load(settings.gateway_policy), signals, wiring.clock)
    descriptor = pb.DESCRIPTOR.services_by_name["GatewayService"]
    return App("gateway", [Mount(servicer, grpc_pb.add_GatewayServiceServicer_to_server, descriptor)], [signals.run])
