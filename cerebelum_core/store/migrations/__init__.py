"""Numbered SQL, a folder a dialect: checksummed, forward only."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files

from cerebelum_core.errors import StoreUnusable


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of a schema."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """What the file must still be, once it has been applied."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations(dialect: str) -> list[Migration]:
    """The migrations of a dialect in order."""
    folder = files(__name__) / dialect
    names = sorted(each.name for each in folder.iterdir() if each.name.endswith(".sql"))
    return [Migration(int(name[:4]), name, (folder / name).read_text("utf-8")) for name in names]


def outstanding(known: list[Migration], applied: dict[int, str]) -> list[Migration]:
    """What remains to be applied.

    Raises:
        StoreUnusable: the store was written by a newer Cerebelum, or with altered migrations.
    """
    by_number = {migration.number: migration for migration in known}
    for number, checksum in applied.items():
        if number not in by_number:
            raise StoreUnusable(
                f"the store has schema {number}, this Cerebelum knows up to {known[-1].number}: use a newer Cerebelum"
            )
        if by_number[number].checksum != checksum:
            raise StoreUnusable(
                f"migration {by_number[number].name} is not the one that the store was made with: "
                "use the Cerebelum that made it, or restore the file"
            )
    return [migration for migration in known if migration.number not in applied]
