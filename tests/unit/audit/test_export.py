"""An export verified without any service: what somebody does to the file is found, with its own exit status."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from services.audit.adapters.anchors import form
from services.audit.policy import Checkpoint, Link, Manifest, Signed
from services.audit.policy.checkpoint import digest
from services.audit.policy.export import event_line, header_line, signed_line
from services.audit.signatures import CheckpointSigner
from services.kit.key_kinds import signing_key
from services.kit.key_versions import VersionedSecret
from tests.unit.audit.test_chain import ORG, chain

SIZE, MARKED = 20, (8, 20)
INTACT, ALTERED, GAP, TRUNCATED, SIGNATURE, ANCHOR = 0, 3, 4, 5, 6, 7
Lines = list[bytes]


class Keys:
    def __init__(self) -> None:
        self._key = VersionedSecret("1", signing_key())

    def versions(self, _: str) -> Any:
        return [self._key]


SIGNER, OTHER = CheckpointSigner(Keys()), CheckpointSigner(Keys())


def checkpoints(links: list[Link], signer: CheckpointSigner = SIGNER) -> dict[int, Signed]:
    found: dict[int, Signed] = {}
    before = b""
    for position in MARKED:
        statement = Checkpoint(ORG, position, links[position - 1].hash, position, before).statement()
        found[position], before = signer.sign(statement), digest(statement)
    return found


def exported(links: list[Link], signer: CheckpointSigner = SIGNER, head: int = 0) -> Lines:
    marks = checkpoints(links, signer) if len(links) == SIZE else {}
    lines = [header_line(ORG, signer.jwks())]
    for link in links:
        lines.append(event_line(link))
        if link.sequence in marks:
            lines.append(signed_line("checkpoint", marks[link.sequence]))
    last = links[-1]
    manifest = Manifest(ORG, links[0].sequence, last.sequence, last.hash, head or last.sequence, 10**6)
    return [*lines, signed_line("manifest", signer.sign(manifest.statement()))]


def place(lines: Lines, sequence: int) -> int:
    return next(n for n, line in enumerate(lines) if json.loads(line).get("sequence") == sequence)


def flip(lines: Lines) -> Lines:
    at = place(lines, 11)
    return [*lines[:at], lines[at].replace(b"ALLOW", b"ALLOX"), *lines[at + 1 :]]


def delete(lines: Lines) -> Lines:
    at = place(lines, 11)
    return lines[:at] + lines[at + 1 :]


def insert(lines: Lines) -> Lines:
    at = place(lines, 11)
    return [*lines[:at], lines[at], *lines[at:]]


def swap(lines: Lines) -> Lines:
    first, second = place(lines, 11), place(lines, 12)
    lines = [*lines]
    lines[first], lines[second] = lines[second], lines[first]
    return lines


def swap_contents(lines: Lines) -> Lines:
    first, second = place(lines, 11), place(lines, 12)
    bodies = [json.loads(lines[at]) for at in (first, second)]
    for name in ("canonical", "hash", "prev"):
        bodies[0][name], bodies[1][name] = bodies[1][name], bodies[0][name]
    lines = [*lines]
    lines[first], lines[second] = (json.dumps(body).encode() + b"\n" for body in bodies)
    return lines


def cut(lines: Lines) -> Lines:
    return lines[: place(lines, 15)]


def cut_inside(lines: Lines) -> Lines:
    """The end is kept, and says that there was more."""
    return [*lines[: place(lines, 15)], lines[-1]]


def recomputed(links: list[Link]) -> list[Link]:
    """Another story, every hash of it true."""
    made, tip = links[:10], links[9].hash
    for link in links[10:]:
        body = link.canonical.replace(b'"mfa":""', b'"mfa":"otp"')
        after = hashlib.sha256(tip + body).digest()
        made.append(Link(link.sequence, body, tip, after, link.columns))
        tip = after
    return made


def recompute(lines: Lines) -> Lines:
    """All hashes anew; what was signed stays as it was, because nobody else can sign."""
    anew = {link.sequence: event_line(link) for link in recomputed(chain(SIZE))}
    return [anew.get(json.loads(line).get("sequence", 0), line) for line in lines]


def sign_oneself(lines: Lines) -> Lines:
    return exported(recomputed(chain(SIZE)), OTHER)


CASES: list[tuple[Callable[[Lines], Lines], int]] = [
    (lambda lines: lines, INTACT),
    (flip, ALTERED),
    (delete, GAP),
    (insert, GAP),
    (swap, GAP),
    (swap_contents, ALTERED),
    (cut, TRUNCATED),
    (cut_inside, TRUNCATED),
    (recompute, SIGNATURE),
    (sign_oneself, SIGNATURE),
]


def verified(folder: Path, lines: Lines, *more: str) -> int:
    (folder / "trail.jsonl").write_bytes(b"".join(lines))
    (folder / "keys.json").write_text(json.dumps(SIGNER.jwks()))
    words = ["audit", "verify", "--file", str(folder / "trail.jsonl"), "--keys", str(folder / "keys.json"), *more]
    return main([*words, "--json"])


def anchored(folder: Path, signed: dict[int, Signed]) -> str:
    for each in signed.values():
        place, name = form.name_of(each)
        (folder / "anchors" / place).mkdir(parents=True, exist_ok=True)
        (folder / "anchors" / place / name).write_bytes(form.written(each))
    return str(folder / "anchors")


@pytest.mark.parametrize(("attack", "status"), CASES, ids=lambda case: getattr(case, "__name__", str(case)))
def test_what_was_done_to_an_export(tmp_path: Path, attack: Callable[[Lines], Lines], status: int) -> None:
    lines = attack(exported(chain(SIZE)))
    assert verified(tmp_path, lines) == status
    assert verified(tmp_path, lines, "--anchors", anchored(tmp_path, checkpoints(chain(SIZE)))) == status


def test_keys_of_the_export_itself_prove_only_that_it_fits_together(tmp_path: Path) -> None:
    (tmp_path / "trail.jsonl").write_bytes(b"".join(sign_oneself([])))
    assert main(["audit", "verify", "--file", str(tmp_path / "trail.jsonl")]) == INTACT
    anchors = anchored(tmp_path, checkpoints(chain(SIZE)))
    assert main(["audit", "verify", "--file", str(tmp_path / "trail.jsonl"), "--anchors", anchors]) == ANCHOR


def test_a_shorter_chain_than_the_anchors_saw(tmp_path: Path) -> None:
    """The database was truncated, then exported in good faith."""
    lines = exported(chain(SIZE)[:15])
    assert verified(tmp_path, lines) == INTACT
    assert verified(tmp_path, lines, "--anchors", anchored(tmp_path, checkpoints(chain(SIZE)))) == TRUNCATED
    part = exported(chain(SIZE)[:15], head=SIZE)  # only a part was asked for, and that is no truncation
    assert verified(tmp_path, part, "--anchors", str(tmp_path / "anchors")) == INTACT


def test_anchors_that_were_tampered_with(tmp_path: Path) -> None:
    folder = anchored(tmp_path, checkpoints(chain(SIZE)))
    assert verified(tmp_path, exported(chain(SIZE)), "--anchors", folder) == INTACT
    file = next(Path(folder).glob("*/*8.json"))
    file.write_bytes(file.read_bytes().replace(b"00:00:00", b"00:00:01"))
    assert verified(tmp_path, exported(chain(SIZE)), "--anchors", folder) == ANCHOR
    assert verified(tmp_path, exported(chain(SIZE)), "--anchors", str(tmp_path / "nowhere")) == 2


@pytest.mark.parametrize("text", [b"", b"{}\n", b"no json\n", b'{"export":"other","keys":{}}\n', b'["x"]\n'])
def test_what_is_no_export(tmp_path: Path, text: bytes) -> None:
    assert verified(tmp_path, [text]) == 2
