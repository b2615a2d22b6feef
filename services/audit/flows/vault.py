"""Personal fields: sealed under a random key for each subject of an organisation, until that key is destroyed."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from services.audit.policy import Link, NotCanonicalError, Record, decode
from services.audit.policy.personal import KEY_PREFIX, Split, merged
from services.audit.ports import Inbox, KeyReader, SubjectKey
from services.kit.key_kinds import AUDIT_KEK
from services.kit.keys import Derived, KeyPort, VersionedSecret
from services.kit.sealing import Box, Seal, SealBrokenError, derive, new_key, parts

_LABEL = b"hauberk audit subject 1"
_REMEMBERED = 20_000
Keys = Mapping[tuple[str, str], tuple[str, Box]]


@dataclass(frozen=True, slots=True)
class Opened:
    """An event as it may be shown. `erased`: personal fields can no longer be read."""

    link: Link
    record: Record | None
    erased: bool = False


class Vault:
    """Seals and opens. Raises KeyMissingError when made without a key."""

    def __init__(self, keys: KeyPort, inbox: Inbox) -> None:
        self._seal = Seal(keys, AUDIT_KEK, _LABEL)
        self._finding = Derived(keys, AUDIT_KEK, _finding_keys)
        self._inbox = inbox
        self._known: OrderedDict[tuple[str, str], tuple[str, Box]] = OrderedDict()

    def tags(self, organisation: str, subject: str) -> list[bytes]:
        """What finds a subject's keys, the active version's first; not to be had without the key port's key."""
        return [hmac.digest(key, parts(organisation, subject), "sha256") for key in self._finding()]

    async def prepare(self, splits: Sequence[Split]) -> Keys:
        """The keys that these events need: at most one question for each organisation. Raises Unavailable,
        SealBrokenError when a key was wrapped with a version that is gone."""
        wanted = dict.fromkeys((split.public.organisation, subject) for split in splits for subject in split.parts)
        found = {each: self._known[each] for each in wanted if each in self._known}
        missing: dict[str, list[str]] = {}
        for organisation, subject in wanted:
            if (organisation, subject) not in found:
                missing.setdefault(organisation, []).append(subject)
        for organisation, subjects in missing.items():
            found |= await self._fetch(organisation, subjects)
        for each, key in found.items():
            self._known[each] = key
            self._known.move_to_end(each)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return found

    def seal(self, split: Split, keys: Keys) -> tuple[Record, set[str]]:
        """The event as it is kept, and the ids of the keys that it needs."""
        public, sealed, actor = split.public, {}, split.public.actor
        for subject, fields in split.parts.items():
            key_id, box = keys[public.organisation, subject]
            plain = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
            bound = parts(public.organisation, public.event_id, key_id)
            sealed[key_id] = base64.b64encode(box.seal(plain, bound)).decode("ascii")
            if subject == split.subject:
                actor = key_id
        return replace(public, actor=actor, sealed=tuple(sorted(sealed.items()))), set(sealed)

    def forget(self) -> None:
        """Asks the store for every key anew: one of them was destroyed."""
        self._known.clear()

    async def open(self, reader: KeyReader, links: Sequence[Link]) -> list[Opened]:
        """Events with what can still be read of them. Keys are asked for each time: an erasure counts at once."""
        records = [_decoded(link) for link in links]
        wanted = {key_id for record in records if record for key_id, _ in record.sealed or ()}
        boxes = {}
        for key in await reader.keys(sorted(wanted)) if wanted else ():
            box = self._unwrapped(reader.organisation, key)
            if box is not None:
                boxes[key.key_id] = box
        return [Opened(link, *_shown(record, boxes)) for link, record in zip(links, records, strict=True)]

    async def _fetch(self, organisation: str, subjects: Sequence[str]) -> Keys:
        fresh = [(KEY_PREFIX + secrets.token_urlsafe(16), new_key()) for _ in subjects]
        made = [
            SubjectKey(key_id, self._seal.active, self._seal.seal(organisation, key, key_id)) for key_id, key in fresh
        ]
        tags = [self.tags(organisation, subject) for subject in subjects]
        kept = await self._inbox.subject_keys(organisation, tags, made)
        keys: dict[tuple[str, str], tuple[str, Box]] = {}
        for subject, (key_id, key), found in zip(subjects, fresh, kept, strict=True):
            box = Box(key) if found.key_id == key_id else self._unwrapped(organisation, found)
            if box is None:  # what is sealed from now on would be as unreadable
                raise SealBrokenError
            keys[organisation, subject] = found.key_id, box
        return keys

    def _unwrapped(self, organisation: str, key: SubjectKey) -> Box | None:
        try:
            return Box(self._seal.open(organisation, key.wrapped, key.key_id))
        except SealBrokenError:
            return None


def _finding_keys(versions: Sequence[VersionedSecret]) -> list[bytes]:
    return [derive(version.value, _LABEL + b" tag") for version in versions]


def _decoded(link: Link) -> Record | None:
    try:
        return decode(link.canonical)
    except NotCanonicalError:  # altered by hand: shown as an empty event in its place; Verify says what it is
        return None


def _shown(record: Record | None, boxes: Mapping[str, Box]) -> tuple[Record | None, bool]:
    if record is None or not record.sealed:
        return record, False
    opened: dict[str, str] = {}
    erased = False
    for key_id, text in record.sealed:
        try:
            bound = parts(record.organisation, record.event_id, key_id)
            opened |= json.loads(boxes[key_id].open(base64.b64decode(text, validate=True), bound))
        except (KeyError, SealBrokenError, binascii.Error, ValueError):
            erased = True
    return merged(record, opened), erased
