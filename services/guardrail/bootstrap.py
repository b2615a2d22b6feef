"""Builds the guardrail service; the only place that names its adapters."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hauberk.guardrail.v1 import guardrail_service_pb2 as pb
from hauberk.guardrail.v1.guardrail_service_pb2_grpc import add_GuardrailServiceServicer_to_server

from services.guardrail.adapters import classifier, model_files, policy_file
from services.guardrail.adapters.approval_store import PostgresApprovals
from services.guardrail.adapters.ledger import PostgresLedger
from services.guardrail.adapters.policies import PostgresPolicies
from services.guardrail.adapters.policy_file import PolicyFile
from services.guardrail.adapters.pool import WorkPool
from services.guardrail.adapters.postgres import PostgresTools
from services.guardrail.adapters.redaction import RedactionDetector
from services.guardrail.adapters.remembered import RememberedTools
from services.guardrail.adapters.sealing import Seals
from services.guardrail.adapters.tool_policy_file import load_tool_rules
from services.guardrail.choosing import Choosing
from services.guardrail.inspector import Inspector
from services.guardrail.output import Output
from services.guardrail.policy.learned import Learned
from services.guardrail.policy.model import PolicyError
from services.guardrail.policy.rules import RuleBook
from services.guardrail.policy.tool_rules import ToolRules
from services.guardrail.ports import Classifier, Detector
from services.guardrail.servicer import GuardrailServicer
from services.guardrail.settings import GuardrailSettings
from services.guardrail.tools import Approvals, Registry, ToolCalls
from services.kit.keys import CANARY, Derived
from services.kit.permissions import TenancyPermissions
from services.kit.postgres import Database
from services.kit.server import App, Mount, Wiring
from services.kit.settings import SettingsError

DESCRIPTOR = pb.DESCRIPTOR.services_by_name["GuardrailService"]


async def build(settings: GuardrailSettings, wiring: Wiring) -> App:
    """The application; raises SettingsError or KeyMissingError when it cannot start."""
    url = settings.database_url.get_secret_value()
    if not url:
        raise SettingsError("database_url: the guardrail service needs PostgreSQL")
    book = _watched(settings, wiring)
    learned = load_model(settings)
    keys = Derived(wiring.keys, CANARY, tuple)
    database = Database(url, acquire_seconds=settings.store_timeout, statement_seconds=settings.store_timeout)
    await database.open()
    wiring.stack.push_async_callback(database.close)
    pool = WorkPool(
        offload_characters=settings.guardrail_offload_characters,
        workers=settings.guardrail_workers,
        waiting=settings.guardrail_waiting,
    )
    wiring.stack.callback(pool.close)
    detector = RedactionDetector(wiring.channel("redaction"), settings.guardrail_peer_timeout)
    second = await _classifier(settings, detector, book().release.leaks, wiring)
    permissions = TenancyPermissions(wiring.channel("tenancy"), settings.guardrail_peer_timeout)
    store, approvals = RememberedTools(PostgresTools(database), wiring.clock), PostgresApprovals(database)
    sealer = Seals(wiring.keys)
    policies = PostgresPolicies(database, book, wiring.clock)
    most = settings.guardrail_most_characters
    servicer = GuardrailServicer(
        Inspector(book, policies, pool, keys, most, learned, second, wiring.clock),
        Output(policies, pool, detector, permissions, keys, most),
        Choosing(policies, permissions, wiring.clock),
        Registry(store, permissions, settings.guardrail_most_tools),
        ToolCalls(store, permissions, PostgresLedger(database), approvals, sealer, load_tools_policy(settings)),
        Approvals(approvals, permissions, sealer),
    )
    return App("guardrail", [Mount(servicer, add_GuardrailServiceServicer_to_server, DESCRIPTOR)])


async def _classifier(
    settings: GuardrailSettings, detector: Detector, entities: Sequence[str], wiring: Wiring
) -> Classifier | None:
    """The one client that leaves the house, when there is an address for it."""
    if not settings.guardrail_classifier_url:
        return None
    deadline = settings.guardrail_classifier_timeout
    http = await wiring.stack.enter_async_context(classifier.client(deadline))
    return classifier.HttpClassifier(http, settings.guardrail_classifier_url, detector, entities, deadline)


def _watched(settings: GuardrailSettings, wiring: Wiring) -> PolicyFile:
    """The policy file, looked at again and again; the last good one stays in force."""
    try:
        watched = PolicyFile(settings.guardrail_policy)
    except PolicyError as error:
        raise SettingsError(f"guardrail_policy: {error}") from None
    task = asyncio.create_task(watched.keep_fresh())
    wiring.stack.callback(task.cancel)
    return watched


def load_rules(settings: GuardrailSettings) -> RuleBook:
    """The policy file, checked."""
    try:
        return policy_file.load(settings.guardrail_policy)
    except PolicyError as error:
        raise SettingsError(f"guardrail_policy: {error}") from None


def load_tools_policy(settings: GuardrailSettings) -> ToolRules:
    """The policy of tools, checked."""
    try:
        return load_tool_rules(settings.guardrail_tool_policy)
    except PolicyError as error:
        raise SettingsError(f"guardrail_tool_policy: {error}") from None


def load_model(settings: GuardrailSettings) -> Learned:
    """The model with its thresholds; there is no service without them."""
    try:
        return model_files.read(settings.guardrail_model)
    except OSError as error:
        raise SettingsError(f"guardrail_model: cannot be read ({type(error).__name__})") from None
    except PolicyError as error:
        raise SettingsError(f"guardrail_model: {error}") from None
