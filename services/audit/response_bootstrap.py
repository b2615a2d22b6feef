"""Builds detection and response: the part of `bootstrap` that names their adapters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from services.audit.adapters.cases import CaseDesks, WideCases
from services.audit.adapters.hands import PeerHands
from services.audit.adapters.sealing import PostgresSealing
from services.audit.catalogue import catalogue
from services.audit.flows.incidents import Incidents
from services.audit.flows.names import Names
from services.audit.flows.notices import Notices
from services.audit.flows.responding import Report, Responder
from services.audit.flows.vault import Vault
from services.audit.flows.watching import Watcher
from services.audit.policy.detection import Detector
from services.audit.policy.response import ResponsePolicy, ResponsePolicyError, parse_policy
from services.audit.ports import Readers
from services.audit.settings import AuditSettings
from services.kit.documents import DocumentError, read_document
from services.kit.logs import logger
from services.kit.postgres import Database
from services.kit.reach import Reach
from services.kit.server import Wiring
from services.kit.settings import SettingsError
from services.kit.webhooks import Target, WebhookSender, acceptable, client


@dataclass(frozen=True, slots=True)
class Response:
    """What was built; `work` runs beside the requests."""

    incidents: Incidents
    desks: CaseDesks
    watcher: Watcher
    work: tuple[Callable[[], Awaitable[None]], ...]


@dataclass(frozen=True, slots=True)
class Shared:
    """What response shares with the trail."""

    database: Database
    sealing: PostgresSealing
    readers: Readers
    vault: Vault


def load_policy(settings: AuditSettings) -> ResponsePolicy:
    """Rules and playbooks. Raises SettingsError for a policy that does not hold."""
    try:
        return parse_policy(read_document(settings.response_policy), catalogue())
    except (DocumentError, ResponsePolicyError) as error:
        raise SettingsError(f"response_policy: {error}") from None


def response(settings: AuditSettings, wiring: Wiring, shared: Shared, report: Report) -> Response:
    """Raises SettingsError for a policy that does not hold, or an address that may not be told."""
    policy = load_policy(settings)
    logger().info("audit.response_policy", version=policy.version, rules=len(policy.rules))
    wide, clock, names = WideCases(shared.sealing), wiring.clock, Names(shared.vault)
    responder = Responder(wide, PeerHands(wiring.channel, wide), names, policy, report, clock)
    detector = partial(Detector, [each.rule() for each in policy.rules])
    watcher = Watcher(shared.sealing, wide, shared.vault, responder, detector, clock)
    reach = Reach((), settings.response_webhook_reach == "loopback")
    target = _target(settings, reach)
    browser = client()
    wiring.stack.push_async_callback(browser.aclose)
    notices = Notices(wide, WebhookSender(browser, reach), target, clock)
    desks = CaseDesks(shared.database, wide, shared.readers)
    return Response(Incidents(responder, names, policy, clock), desks, watcher, (watcher.run, notices.run))


def _target(settings: AuditSettings, reach: Reach) -> Target | None:
    if not settings.response_webhook:
        return None
    secret = settings.response_webhook_secret.get_secret_value().encode()
    if len(secret) < 16:
        raise SettingsError("response_webhook_secret: at least 16 characters")
    if not acceptable(settings.response_webhook, reach):
        raise SettingsError("response_webhook: must be https, of a public host")
    return Target(settings.response_webhook, secret)
