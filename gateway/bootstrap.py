"""Builds the gateway: the only file here that knows how it is wired."""

from __future__ import annotations

from hauberk.envoy.auth.v3 import external_auth_pb2, external_auth_pb2_grpc
from hauberk.envoy.ext_proc.v3 import external_processor_pb2, external_processor_pb2_grpc
from hauberk.gateway.v1 import gateway_service_pb2 as pb
from hauberk.gateway.v1 import gateway_service_pb2_grpc as grpc_pb

from gateway.admit import Admit
from gateway.clients import Services
from gateway.edge.authz import Authz
from gateway.edge.authz_servicer import AuthzServicer
from gateway.edge.lanes import WayBack
from gateway.edge.proc_admit import ProvenAdmit, Prover
from gateway.edge.proc_servicer import ProcServicer
from gateway.edge.rules import Edges, load_edges
from gateway.finaliser import Finaliser
from gateway.replies import Replies, load
from gateway.servicer import GatewayServicer
from gateway.settings import GatewaySettings
from gateway.settling import Settling
from gateway.signals import Signals
from services.kit.jwks import PeerKeys
from services.kit.run import fetch_jwks, verifier_of
from services.kit.server import App, Mount, Wiring


async def build(settings: GatewaySettings, wiring: Wiring) -> App:
    """The gateway over channels to its peers; the chain is checked here."""
    finaliser = Finaliser(wiring.trail, wiring.clock)
    services = Services(wiring.channel)
    replies = load(settings.gateway_policy)
    signals = Signals(services, settings.signals)
    servicer = GatewayServicer(services, settings, finaliser, replies, signals, wiring.clock)
    descriptor = pb.DESCRIPTOR.services_by_name["GatewayService"]
    authz = Authz(services, Admit(services, settings), settings, finaliser, wiring.clock)
    edges = load_edges(settings.gateway_policy)
    # The one token that the gateway believes: what ext_authz handed on, back from Envoy.
    keys = PeerKeys(lambda: fetch_jwks(wiring.channel("auth")))
    verifier = verifier_of(keys, settings)
    way = WayBack(services, Settling(services, settings.settle_budget), finaliser, replies, signals)
    processor = ProcServicer(servicer, ProvenAdmit(services, settings), Prover(verifier), way, edges, settings)
    mounts = [
        Mount(servicer, grpc_pb.add_GatewayServiceServicer_to_server, descriptor),
        _authorization(authz, edges, settings, replies),
        _processing(processor),
    ]
    return App("gateway", mounts, [signals.run, keys.keep_fresh], [authz.memory.forget, verifier.forget])


def _processing(servicer: ProcServicer) -> Mount:
    descriptor = external_processor_pb2.DESCRIPTOR.services_by_name["ExternalProcessor"]
    return Mount(servicer, external_processor_pb2_grpc.add_ExternalProcessorServicer_to_server, descriptor)


def _authorization(authz: Authz, edges: Edges, settings: GatewaySettings, replies: Replies) -> Mount:
    servicer = AuthzServicer(authz, edges, replies, settings.api_key_prefix)
    descriptor = external_auth_pb2.DESCRIPTOR.services_by_name["Authorization"]
    return Mount(servicer, external_auth_pb2_grpc.add_AuthorizationServicer_to_server, descriptor)
