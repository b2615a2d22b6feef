"""One pass that says who has to look: wide enough in every engine, kept on disk only as it was made."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.kit.settings import SettingsError
from services.redaction.adapters import pattern_files
from services.redaction.adapters.pattern_files import PatternFiles
from services.redaction.adapters.presidio import PresidioDetector
from services.redaction.adapters.registry import RegistryError
from services.redaction.bootstrap import make_detector, make_patterns
from services.redaction.policy import engines
from services.redaction.policy.engines import Engine, Expression, HyperscanEngine, Re2Engine, content_key
from services.redaction.policy.gates import Gates
from services.redaction.policy.rules import parse_rules
from services.redaction.policy.scan import WORDS, scan
from services.redaction.policy.widening import readable, widened
from services.redaction.settings import RedactionSettings
from tests.unit.redaction.book import presidio

FEW = ("IP_ADDRESS", "CRYPTO", "US_PASSPORT")
WIDE = [
    (r"\b(?<![\w-])[A-Z]{2}\d{4}(?!\d)\b", "id AB1234, ok"), (r"(?<!x(?:y|[)z]))a+b", "aab"),
    (r"[^\W\d_]{3}", "äöü"), (r"[\dX]{3}", "1٢X"), (r"\d{3}\s\d", "１２３\u00a04"), (r"^x[\]\[-]y$", "x]y"),
    (r"\bk\b", "\u212a"), (r"(a|b)\1", "bb"),
]  # fmt: skip


def expressions(*patterns: str) -> list[Expression]:
    return [Expression(widened(pattern), word=False) for pattern in patterns]


@pytest.mark.parametrize("engine", [HyperscanEngine, Re2Engine])
@pytest.mark.parametrize(("pattern", "text"), WIDE)
def test_what_matches_opens_the_gate(engine: Callable[[Sequence[Expression]], Engine], pattern: str, text: str) -> None:
    assert readable(pattern)
    made = engine(expressions(pattern, "qqq"))
    assert set(made.hits(text)) == {0}
    assert 0 not in made.hits("#") or engine is Re2Engine  # what RE2 cannot read is always looked for


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="aK1٣-. @\u200b\ud83d😀\n", max_size=12))
def test_both_engines_are_as_wide_as_the_pattern(text: str) -> None:
    pattern = r"\b\w\d(?=[.-])|a\sK"
    for made in BOTH:
        assert made.hits(text) or not re.search(pattern, text)


EXAMPLE = expressions(r"\b\w\d(?=[.-])|a\sK")
BOTH: list[Engine] = [HyperscanEngine(EXAMPLE), Re2Engine(EXAMPLE)]


@pytest.mark.parametrize("pattern", [r"(?:ab){e<=1}", r"(?x)a b", r"(?>a)b", r"a\mb", r"(?P>x)", r"\p{L}", r"a{2}+"])
def test_what_engines_read_differently_is_always_looked_for(pattern: str) -> None:
    assert not readable(pattern)


def test_a_set_that_gives_up_opens_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Re2Engine(expressions("a", "b"))
    monkeypatch.setattr(made, "_set", type("Silent", (), {"Match": lambda *_: []})())
    assert set(made.hits("nothing")) == {0, 1}


def test_only_entities_that_may_be_there_are_looked_for() -> None:
    gates = Gates(WORDS, presidio().patterns())
    wanted = frozenset(FEW) | {"IBAN_CODE"}  # that recognizer has a loop of its own: nobody else knows where it looks
    assert gates.open_in("nothing of the kind", wanted)[1] == {"IBAN_CODE"}
    assert gates.open_in("from 10.0.0.1 on", wanted)[1] == {"IBAN_CODE", "IP_ADDRESS"}
    assert "word PHONE_NUMBER" in gates.open_in("call 10.0.0.1", wanted)[0]
    text = "btc 1BoatSLRHtKNngkdXEeobR76b53LETtpyT, passport 912803456, 10.1.2.3"
    rules = parse_rules({"entities": sorted(FEW)}, presidio().findable).base
    found = [scan(text, rules, bool, [presidio()], gates=known).findings for known in (gates, Gates(WORDS))]
    assert found[0] == found[1]
    assert {one.entity for one in found[0]} == set(FEW)


def test_a_database_is_made_once_and_only_trusted_as_it_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("entities: [US_SSN]\nadditions: [{organisation: a, entities: [IP_ADDRESS, CRYPTO]}]")
    chosen = RedactionSettings.model_validate({"redaction_policy": policy})
    folder = tmp_path / "patterns"
    assert make_patterns(chosen, folder) == (2, 0)
    assert make_patterns(chosen, folder) == (0, 2)
    files = list(folder.iterdir())
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files)
    several = Gates(WORDS, PresidioDetector().patterns()).each_of([frozenset({"IP_ADDRESS", "CRYPTO"})])[-1]
    path = folder / f"{content_key(several)}.patterns"
    assert path in files
    assert isinstance(PatternFiles(folder).engine(several), HyperscanEngine)
    # Without a file that can be trusted: the quick engine, with the same answers.
    path.chmod(0o666)
    assert isinstance(PatternFiles(folder).engine(several), Re2Engine)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert isinstance(PatternFiles(folder).engine(several), Re2Engine)
    assert make_patterns(chosen, folder) == (1, 1)
    assert isinstance(PatternFiles(folder).engine(several), HyperscanEngine)
    assert isinstance(PatternFiles(tmp_path / "none").engine(several), Re2Engine)
    monkeypatch.setattr(engines, "hyperscan", None)
    assert isinstance(PatternFiles(folder).engine(several), Re2Engine)


REGISTRY = """
supported_languages: [en]
recognizers:
  - {name: IpRecognizer, type: predefined, supported_languages: [en], score_thresholds: {default: 0.9}}
  - {name: PhoneRecognizer, type: predefined, supported_languages: [en]}
  - name: Badges
    supported_languages: [{language: en, context: [badge]}]
    supported_entity: BADGE
    patterns: [{name: weak, regex: "B-[0-9]{4}", score: 0.2}]
    score_thresholds: {BADGE: 0.2}
  - {name: Rooms, supported_languages: [en], supported_entity: ROOM, deny_list: [Blue Room, Hall 7]}
"""


def test_a_registry_in_presidios_form_with_its_thresholds_and_lists(tmp_path: Path) -> None:
    file = tmp_path / "registry.yaml"
    file.write_text(REGISTRY)
    detector = make_detector(RedactionSettings.model_validate({"redaction_recognizers": file}))
    assert detector.findable == {"IP_ADDRESS", "BADGE", "ROOM"}
    asked = {"entities": ["BADGE", "ROOM", "IP_ADDRESS"]}
    rules = parse_rules(asked, detector.findable, detector.thresholds).base
    gates = Gates(WORDS, detector.patterns())

    def found(text: str) -> list[str]:
        return [one.entity for one in scan(text, rules, bool, [detector], gates=gates).findings]

    # Its own threshold lets a weak pattern in, and keeps an address out until a word speaks for it.
    assert found("B-1234 in the blue room, not Hall 77, 10.0.0.1") == ["BADGE", "ROOM"]
    assert found("ip 10.0.0.1") == ["IP_ADDRESS"]
    strict = parse_rules(asked | {"thresholds": {"BADGE": 0.5}}, detector.findable, detector.thresholds).base
    assert scan("B-1234", strict, bool, [detector]).findings == ()
    assert scan("badge B-1234", strict, bool, [detector]).findings != ()


NAMELESS = "recognizers: [{name: X, supported_entity: a, supported_languages: [en], deny_list: [q]}]"


@pytest.mark.parametrize("written", ["- 1", "recognizers: [{name: NoSuch, type: predefined}]", NAMELESS, "{"])
def test_a_registry_that_cannot_be_used_stops_the_start(tmp_path: Path, written: str) -> None:
    file = tmp_path / "registry.yaml"
    file.write_text(written)
    with pytest.raises(RegistryError, match=r"registry\.yaml"):
        PresidioDetector(registry=file)
    with pytest.raises(SettingsError, match="redaction_recognizers"):
        make_detector(RedactionSettings.model_validate({"redaction_recognizers": file}))


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        pattern_files.make(tmp_path / "file" / "x", [Expression("a", word=True)])
