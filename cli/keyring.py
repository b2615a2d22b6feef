"""The keys of an installation, and its database: what `hauberk keys` works on."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cli.errors import CliError
from services.kit import org_keys, rotation
from services.kit.key_kinds import ORG_MAC, kind_of
from services.kit.rotation import KeyFolder, State, Version


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """`database` is empty when none can be asked; `at_rest` when nothing runs there and the next start brings it up
    to date."""

    folder: KeyFolder
    database: str = field(repr=False)
    at_rest: bool = False

    def introduce(self, name: str, settle: float) -> tuple[str, Sequence[Path]]:
        """A new version of a key. The database accepts one before any process can sign with it."""
        kid, value = self.folder.plan(name, settle), kind_of(name).make()
        if name == ORG_MAC and not self.at_rest:
            org_keys.accept(self._database(name), {**self.folder.secrets(name), kid: value})
        return kid, self.folder.introduce(name, kid, value)

    def objections(self, version: Version) -> list[str]:
        """Why a version should stay."""
        found = rotation.objections(version, time.time())
        if version.state is not State.KEPT or kind_of(version.name).keep_seconds is not None:
            return found
        if not self.database:
            return [*found, f"without the database, {kind_of(version.name).needed_for} that need it cannot be counted"]
        return [*found, *org_keys.dependants(self.database, version.name, version.kid)]

    def withdraw(self, version: Version, *, erase: bool) -> None:
        """The files first: whoever signs must have stopped before the database refuses."""
        if version.name == ORG_MAC and not self.at_rest:
            database = self._database(version.name)
            self.folder.withdraw(version, erase=erase)
            org_keys.refuse(database, version.kid)
            return
        self.folder.withdraw(version, erase=erase)

    def problems(self) -> list[str]:
        """What does not fit together between files and database."""
        if not self.database:
            return []
        accepted = org_keys.accepted(self.database)
        missing = [version.kid for version in self.folder.versions(ORG_MAC) if version.kid not in accepted]
        return [f"{ORG_MAC} {kid}: the database does not accept it; run `hauberk prepare`" for kid in missing]

    def ready_for(self, name: str) -> None:
        """Raises CliError when a rotation of this key could not be done to its end."""
        if name == ORG_MAC and not self.at_rest:
            self._database(name)

    def _database(self, name: str) -> str:
        if not self.database:
            raise CliError(f"{name}: the database holds it too; give --database-admin-url")
        return self.database


@contextmanager
def key_place(keys: Path | None, data: Path, database: str) -> Iterator[KeyPlace]:
    """The key folder of a production, or that of a data folder, whether its stack runs or not."""
    if keys is not None:
        yield KeyPlace(KeyFolder(keys), database)
        return
    from embedded.administration import admin_dsn_of
    from embedded.datafolder import DataFolder
    from embedded.layout import Layout

    if not (data / "hauberk.json").is_file():
        raise CliError(f"{data} is no data folder of `hauberk up`: give --data, or --keys for a folder of key files")
    running = admin_dsn_of(data)
    if running:
        yield KeyPlace(KeyFolder(Layout(data).keys), running)
        return
    with DataFolder(data) as held:  # nobody starts meanwhile
        yield KeyPlace(KeyFolder(Layout(held.path).keys), "", at_rest=True)
