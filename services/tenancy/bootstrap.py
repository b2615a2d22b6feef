"""Builds the tenancy service; the only place that names its adapters."""

from __future__ import annotations

import zoneinfo
from pathlib import Path

from hauberk.tenancy.v1 import tenancy_service_pb2 as pb
from hauberk.tenancy.v1.tenancy_service_pb2_grpc import add_TenancyServiceServicer_to_server

from services.kit.postgres import Database
from services.kit.server import App, Mount, Wiring
from services.kit.settings import SettingsError
from services.tenancy.adapters.brands import PostgresBrands
from services.tenancy.adapters.cached import CachedFacts
from services.tenancy.adapters.content_keys import ContentKeys
from services.tenancy.adapters.conversation_keys import ConversationKeyMaker
from services.tenancy.adapters.conversation_store import PostgresConversations
from services.tenancy.adapters.embedder import HashingEmbedder
from services.tenancy.adapters.invitation_store import PostgresInvitations
from services.tenancy.adapters.knowledge_store import PostgresKnowledge
from services.tenancy.adapters.leavers import AuthLeavers
from services.tenancy.adapters.lifecycle import PostgresLifecycle
from services.tenancy.adapters.policy_store import PostgresPolicies
from services.tenancy.adapters.postgres import PostgresStore
from services.tenancy.adapters.resource_owner import BackendOwner
from services.tenancy.adapters.resource_store import PostgresResources
from services.tenancy.adapters.settings_store import PostgresSettings
from services.tenancy.flows.conversations import Conversations
from services.tenancy.flows.directory import Directory
from services.tenancy.flows.invitations import Invitations
from services.tenancy.flows.judging import Judge
from services.tenancy.flows.knowledge import Knowledge
from services.tenancy.flows.own_settings import OwnSettings
from services.tenancy.flows.permits import Permits
from services.tenancy.flows.policy_admin import PolicyAdmin
from services.tenancy.flows.policysets import PolicySets
from services.tenancy.flows.resources import Resources
from services.tenancy.flows.trials import Trials
from services.tenancy.flows.turns import Turns
from services.tenancy.policy import Engine, PolicyInvalidError
from services.tenancy.policy.resources import DOCUMENT
from services.tenancy.servicer import Core, TenancyServicer
from services.tenancy.settings import TenancySettings

DESCRIPTOR = pb.DESCRIPTOR.services_by_name["TenancyService"]


async def build(settings: TenancySettings, wiring: Wiring) -> App:
    """The application; raises SettingsError when the policies or the database address are not usable."""
    url = settings.database_url.get_secret_value()
    if not url:
        raise SettingsError("database_url: the tenancy service needs PostgreSQL")
    engine = load_engine(settings.tenancy_policies)
    database = Database(url, acquire_seconds=settings.store_timeout, statement_seconds=settings.store_timeout)
    await database.open()
    wiring.stack.push_async_callback(database.close)
    store = PostgresStore(database)
    remembered = CachedFacts(store, settings.tenancy_cache_seconds)
    zones = frozenset(zoneinfo.available_timezones() | {"UTC"})
    policies = PostgresPolicies(database)
    sets = PolicySets(policies, engine)
    trials = Trials(sets, policies)
    wiring.stack.push_async_callback(trials.close)
    judge = Judge(store, remembered, sets, wiring.clock)
    kept = PostgresResources(database)
    permits, own = Permits(store, sets, wiring.clock), PostgresSettings(database)
    core = Core(
        sets,
        PolicyAdmin(store, remembered, policies, sets, trials, wiring.clock),
        trials,
        Turns(1),
        wiring.clock,
        remembered,
        store,
        PostgresLifecycle(database),
        Directory(
            permits, PostgresBrands(database), store, remembered, zones, AuthLeavers(lambda: wiring.channel("auth"))
        ),
        OwnSettings(permits, own, zones),
        Invitations(permits, PostgresInvitations(database), own, remembered),
        frozenset(settings.tenancy_plans),
        judge,
        Resources(judge, kept, owners_of(settings, wiring, engine), engine.language.described),
        Knowledge(judge, await _knowledge(settings, wiring), kept, HashingEmbedder()),
        Conversations(
            PostgresConversations(database), ConversationKeyMaker(wiring.keys), judge, wiring.trail, wiring.clock
        ),
    )
    return App("tenancy", [Mount(TenancyServicer(core), add_TenancyServiceServicer_to_server, DESCRIPTOR)])


async def _knowledge(settings: TenancySettings, wiring: Wiring) -> PostgresKnowledge:
    """Documents take longer than facts: a pool of their own, so that nobody's permission waits for a search."""
    database = Database(
        settings.database_url.get_secret_value(),
        max_size=4,
        acquire_seconds=settings.store_timeout,
        statement_seconds=settings.tenancy_knowledge_timeout,
    )
    keys = ContentKeys(wiring.keys)
    await database.open()
    wiring.stack.push_async_callback(database.close)
    return PostgresKnowledge(database, keys)


def owners_of(settings: TenancySettings, wiring: Wiring, engine: Engine) -> dict[str, BackendOwner]:
    """The backends that are asked for owners, by type; raises SettingsError for a type the schema does not describe."""
    if not settings.tenancy_resource_owners.keys() <= engine.language.described - {DOCUMENT}:
        raise SettingsError("tenancy_resource_owners: only types that a product added to the schema")
    return {
        kind: BackendOwner(wiring.channel(peer), peer, settings.tenancy_owner_timeout)
        for kind, peer in settings.tenancy_resource_owners.items()
    }


def load_engine(folder: Path) -> Engine:
    """The policy set of a folder; raises SettingsError when it must not be used."""
    try:
        schema = (folder / "schema.cedarschema").read_text(encoding="utf-8")
        texts = [file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.cedar"))]
        return Engine("\n".join(texts), schema)
    except OSError as error:
        raise SettingsError(f"tenancy_policies: the folder cannot be read ({type(error).__name__})") from None
    except PolicyInvalidError as error:
        raise SettingsError(f"tenancy_policies: {error}") from None
