"""Builds the guardrail service; the only place that names its adapters."""

from __future__ import annotations

import yaml
from hauberk.guardrail.v1 import guardrail_service_pb2 as pb
from hauberk.guardrail.v1.guardrail_service_pb2_grpc import add_GuardrailServiceServicer_to_server

from services.guardrail.adapters import classifier, model_files
from services.guardrail.adapters.pool import WorkPool
from services.guardrail.adapters.postgres import PostgresTools
from services.guardrail.adapters.redaction import RedactionDetector
from services.guardrail.adapters.tenancy import TenancyPermissions
from services.guardrail.inspector import Inspector
from services.guardrail.policy.learned import Learned
from services.guardrail.policy.model import PolicyError
from services.guardrail.policy.rules import RuleBook, parse_rules
from services.guardrail.ports import Classifier, Detector
from services.guardrail.servicer import GuardrailServicer
from services.guardrail.settings import GuardrailSettings
from services.guardrail.tools import Tools
from services.kit.keys import CANARY, Derived
from services.kit.postgres import Database
from services.kit.server import App, Mount, Wiring
from services.kit.settings import SettingsError

DESCRIPTOR = pb.DESCRIPTOR.services_by_name["GuardrailService"]


async def build(settings: GuardrailSettings, wiring: Wiring) -> App:
    """The application; raises SettingsError or KeyMissingError when it cannot start."""
    url = settings.database_url.get_secret_value()
    if not url:
        raise SettingsError("database_url: the guardrail service needs PostgreSQL")
    book = load_rules(settings)
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
    second = await _classifier(settings, detector, book, wiring)
    permissions = TenancyPermissions(wiring.channel("tenancy"), settings.guardrail_peer_timeout)
    servicer = GuardrailServicer(
        Inspector(book, pool, detector, keys, settings.guardrail_most_characters, learned, second, wiring.clock),
        Tools(PostgresTools(database), permissions, settings.guardrail_most_tools),
    )
    return App("guardrail", [Mount(servicer, add_GuardrailServiceServicer_to_server, DESCRIPTOR)])


async def _classifier(
    settings: GuardrailSettings, detector: Detector, book: RuleBook, wiring: Wiring
) -> Classifier | None:
    """The one client that leaves the house, when there is an address for it."""
    if not settings.guardrail_classifier_url:
        return None
    deadline = settings.guardrail_classifier_timeout
    http = await wiring.stack.enter_async_context(classifier.client(deadline))
    return classifier.HttpClassifier(http, settings.guardrail_classifier_url, detector, book.release.leaks, deadline)


def load_rules(settings: GuardrailSettings) -> RuleBook:
    """The policy file, checked."""
    path = settings.guardrail_policy
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise SettingsError(f"guardrail_policy: {path.name} cannot be read ({type(error).__name__})") from None
    try:
        return parse_rules(data)
    except PolicyError as error:
        raise SettingsError(f"guardrail_policy: {error}") from None


def load_model(settings: GuardrailSettings) -> Learned:
    """The model with its thresholds; there is no service without them."""
    try:
        return model_files.read(settings.guardrail_model)
    except OSError as error:
        raise SettingsError(f"guardrail_model: cannot be read ({type(error).__name__})") from None
    except PolicyError as error:
        raise SettingsError(f"guardrail_model: {error}") from None
