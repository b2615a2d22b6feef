"""Puts the redaction service together: the only place that names concrete adapters."""

from __future__ import annotations

import yaml
from hauberk.redaction.v1 import redaction_service_pb2 as pb
from hauberk.redaction.v1 import redaction_service_pb2_grpc as pb_grpc

from services.kit.clock import Clock
from services.kit.keys import KeyPort
from services.kit.redis import RedisStore
from services.kit.server import App, Mount, Wiring
from services.kit.settings import SettingsError
from services.redaction.adapters.pool import ScanPool
from services.redaction.adapters.presidio import PresidioDetector
from services.redaction.adapters.redis_store import RedisMappingStore
from services.redaction.adapters.sealing import Sealer
from services.redaction.engine import Redactor
from services.redaction.ner import kinds, spacy_model, worker
from services.redaction.ner.pool import NamePool, NamesUnavailable
from services.redaction.ner.process import Worker
from services.redaction.policy.model import RulesError
from services.redaction.policy.rules import RuleBook, parse_rules
from services.redaction.ports import Namer
from services.redaction.servicer import RedactionServicer
from services.redaction.settings import RedactionSettings


async def build(settings: RedactionSettings, wiring: Wiring) -> App:
    """The application; raises SettingsError or KeyMissingError when it cannot start."""
    if not settings.redis_url.get_secret_value():
        raise SettingsError("redis_url: the address of Redis is required")
    store = RedisStore(settings.redis_url.get_secret_value(), settings.store_timeout)
    wiring.stack.push_async_callback(store.close)
    namer = make_namer(settings)
    if namer is not None:
        wiring.stack.callback(namer.close)
        await start_namer(settings, namer)
    redactor, pool = make_redactor(settings, store, wiring.keys, wiring.clock, namer)
    wiring.stack.callback(pool.close)
    descriptor = pb.DESCRIPTOR.services_by_name["RedactionService"]
    mount = Mount(RedactionServicer(redactor), pb_grpc.add_RedactionServiceServicer_to_server, descriptor)
    return App("redaction", [mount])


def make_redactor(
    settings: RedactionSettings, store: RedisStore, keys: KeyPort, clock: Clock, namer: Namer | None = None
) -> tuple[Redactor, ScanPool]:
    """The redactor and the pool that it searches in."""
    book, pool = make_scanner(settings, namer)
    mapping = RedisMappingStore(
        store,
        Sealer(keys),
        seconds=settings.redaction_mapping_seconds,
        number_seconds=settings.redaction_number_seconds,
        most_values=settings.redaction_most_values,
    )
    redactor = Redactor(
        book,
        pool,
        mapping,
        clock,
        seconds=settings.redaction_mapping_seconds,
        most_characters=settings.redaction_most_characters,
    )
    return redactor, pool


def make_namer(settings: RedactionSettings) -> NamePool | None:
    """The processes that look for names, not started; None when the settings want none."""
    model = settings.redaction_names_model
    if model == "none":
        return None
    if model != worker.OWN and not spacy_model.installed(model):
        raise SettingsError(f"redaction_names_model: the spaCy package {model} is not installed")
    return NamePool(
        lambda: Worker(model),
        kinds.OWN if model == worker.OWN else kinds.SPACY,
        workers=settings.redaction_names_workers,
        waiting=settings.redaction_names_waiting,
        seconds=settings.redaction_names_timeout,
    )


async def start_namer(settings: RedactionSettings, namer: NamePool) -> None:
    """Loads the model in every process; one that does not load is an error of the settings."""
    try:
        await namer.start()
    except NamesUnavailable:
        raise SettingsError(f"redaction_names_model: {settings.redaction_names_model} cannot be loaded") from None


def make_scanner(settings: RedactionSettings, namer: Namer | None = None) -> tuple[RuleBook, ScanPool]:
    """The rules, and the pool that searches by them; the caller closes the pool."""
    presidio = PresidioDetector(settings.redaction_recognizer_timeout)
    book = load_rules(settings, presidio.findable | (namer.findable if namer is not None else frozenset()))
    presidio.warm(book.base.entities.union(*(addition.entities for addition in book.additions)))
    pool = ScanPool(
        book.knows,
        [presidio],
        offload_characters=settings.redaction_offload_characters,
        workers=settings.redaction_workers,
        waiting=settings.redaction_waiting,
        namer=namer,
    )
    return book, pool


def load_rules(settings: RedactionSettings, extra: frozenset[str]) -> RuleBook:
    """The policy file, checked."""
    path = settings.redaction_policy
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise SettingsError(f"redaction_policy: {path.name} cannot be read ({type(error).__name__})") from None
    try:
        return parse_rules(data, extra)
    except RulesError as error:
        raise SettingsError(f"redaction_policy: {error}") from None
