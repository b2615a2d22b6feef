"""Puts the redaction service together: the only place that names concrete adapters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import yaml
from hauberk.redaction.v1 import redaction_service_pb2 as pb
from hauberk.redaction.v1 import redaction_service_pb2_grpc as pb_grpc

from services.kit.clock import Clock
from services.kit.keys import KeyPort
from services.kit.permissions import TenancyPermissions
from services.kit.postgres import Database
from services.kit.redis import RedisStore
from services.kit.server import App, Mount, Wiring
from services.kit.settings import SettingsError
from services.redaction.adapters.pattern_files import PatternFiles, make
from services.redaction.adapters.pool import ScanPool
from services.redaction.adapters.postgres import PostgresOwnStore
from services.redaction.adapters.presidio import PresidioDetector
from services.redaction.adapters.redis_store import RedisMappingStore
from services.redaction.adapters.registry import RegistryError
from services.redaction.adapters.sealing import Sealer
from services.redaction.books import Books, Redactors
from services.redaction.engine import Redactor
from services.redaction.ner import kinds, spacy_model, worker
from services.redaction.ner.pool import NamePool, NamesUnavailable
from services.redaction.ner.process import Worker
from services.redaction.own_rules import OwnRules
from services.redaction.policy.gates import Gates
from services.redaction.policy.model import RulesError
from services.redaction.policy.own import Own, book_of
from services.redaction.policy.rules import RuleBook, parse_rules
from services.redaction.policy.scan import WORDS
from services.redaction.ports import Namer
from services.redaction.servicer import RedactionServicer
from services.redaction.settings import RedactionSettings


async def build(settings: RedactionSettings, wiring: Wiring) -> App:
    """The application; raises SettingsError or KeyMissingError when it cannot start."""
    if not settings.redis_url.get_secret_value():
        raise SettingsError("redis_url: the address of Redis is required")
    if not settings.database_url.get_secret_value():
        # Without it nobody would know what an organisation has to have replaced, and its texts would pass as clean.
        raise SettingsError("database_url: the redaction service needs PostgreSQL")
    store = RedisStore(settings.redis_url.get_secret_value(), settings.store_timeout)
    wiring.stack.push_async_callback(store.close)
    namer = make_namer(settings)
    if namer is not None:
        wiring.stack.callback(namer.close)
        await start_namer(settings, namer)
    book, pool = make_scanner(settings, namer)
    wiring.stack.callback(pool.close)
    url = settings.database_url.get_secret_value()
    database = Database(url, acquire_seconds=settings.store_timeout, statement_seconds=settings.store_timeout)
    await database.open()
    wiring.stack.push_async_callback(database.close)
    rows = PostgresOwnStore(database)
    books = Books(book, rows, wiring.clock, seconds=settings.redaction_own_seconds)
    permissions = TenancyPermissions(wiring.channel("tenancy"), settings.redaction_peer_timeout)
    servicer = RedactionServicer(
        Redactors(books, make_redactors(settings, store, wiring.keys, wiring.clock, pool)),
        OwnRules(rows, books, permissions, most=settings.redaction_most_recognizers),
    )
    descriptor = pb.DESCRIPTOR.services_by_name["RedactionService"]
    return App("redaction", [Mount(servicer, pb_grpc.add_RedactionServiceServicer_to_server, descriptor)])


def make_redactors(
    settings: RedactionSettings, store: RedisStore, keys: KeyPort, clock: Clock, pool: ScanPool
) -> Callable[[RuleBook], Redactor]:
    """Makes a redactor for the rules of one organisation; all of them share what they search and keep with."""
    mapping = RedisMappingStore(
        store,
        Sealer(keys),
        seconds=settings.redaction_mapping_seconds,
        number_seconds=settings.redaction_number_seconds,
        most_values=settings.redaction_most_values,
    )
    return lambda book: Redactor(
        book,
        pool,
        mapping,
        clock,
        seconds=settings.redaction_mapping_seconds,
        most_characters=settings.redaction_most_characters,
    )


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
    presidio = make_detector(settings)
    book = load_rules(
        settings, presidio.findable | (namer.findable if namer is not None else frozenset()), presidio.thresholds
    )
    gates = Gates(WORDS, presidio.patterns(), PatternFiles(settings.redaction_patterns).engine)
    for wanted in book.sets:
        presidio.warm(wanted)
        gates.prepare(wanted)
    pool = ScanPool(
        book_of(book, "", Own()).knows,
        [presidio],
        gates=gates,
        offload_characters=settings.redaction_offload_characters,
        workers=settings.redaction_workers,
        waiting=settings.redaction_waiting,
        namer=namer,
    )
    return book, pool


def make_detector(settings: RedactionSettings) -> PresidioDetector:
    """The recognizers of others."""
    try:
        return PresidioDetector(settings.redaction_recognizer_timeout, settings.redaction_recognizers)
    except RegistryError as error:
        raise SettingsError(f"redaction_recognizers: {error}") from None


def make_patterns(settings: RedactionSettings, folder: Path) -> tuple[int, int]:
    """Makes the pattern databases that a start with these settings looks for: how many are new, how many were there."""
    presidio = make_detector(settings)
    book = load_rules(settings, presidio.findable | kinds.OWN | kinds.SPACY, presidio.thresholds)
    gates = Gates(WORDS, presidio.patterns())
    made = [make(folder, expressions) for expressions in gates.each_of(book.sets)]
    return sum(made), len(made) - sum(made)


def load_rules(
    settings: RedactionSettings, extra: frozenset[str], thresholds: Mapping[str, float] | None = None
) -> RuleBook:
    """The policy file, checked; `thresholds` hold where it says nothing of an entity."""
    path = settings.redaction_policy
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise SettingsError(f"redaction_policy: {path.name} cannot be read ({type(error).__name__})") from None
    try:
        return parse_rules(data, extra, thresholds or {})
    except RulesError as error:
        raise SettingsError(f"redaction_policy: {error}") from None
