"""What became of a registry that was loaded: the report that commands and assets show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ingest.registry.code_versions import CodeVersion
from ingest.registry.loading import Notes, RegistryCounts
from ingest.registry.parsing import Note


@dataclass(frozen=True)
class RegistryFile:
    """What became of the rows of one file."""

    file: str
    counts: RegistryCounts
    notes: tuple[Note, ...]
    seconds: float
    load_id: int


@dataclass(frozen=True)
class RegistryReport:
    """What became of one registry.

    Attributes:
        status: loaded, or unchanged (the same files under the same settings as the last time: nothing was done).
        is_complete: the files are all that the registry has; what is in none of them was marked as gone.
        gone: entities marked as gone by this load.
        missing: entities that were in no file but stay, since the files are only a part.
        code_version: the version of the classification its codes are in, and why.
        missing_columns: columns that some file lacks.
        entities, live: of the registry after the load, those that are gone not counted.
    """

    registry: str
    status: str
    files: tuple[RegistryFile, ...] = ()
    is_complete: bool = False
    gone: int = 0
    missing: int = 0
    code_version: CodeVersion | None = None
    notes: tuple[Note, ...] = ()
    missing_columns: tuple[str, ...] = ()
    entities: int = 0
    live: int = 0
    seconds: float = 0.0

    @property
    def counts(self) -> RegistryCounts:
        """Of all files together."""
        total = RegistryCounts()
        for file in self.files:
            total.add(file.counts)
        return total

    @property
    def changed(self) -> bool:
        """Whether anything about any entity is new."""
        return bool(self.counts.inserted or self.counts.updated or self.gone)


def merged_notes(files: Sequence[RegistryFile]) -> tuple[Note, ...]:
    """The notes of several files as if they were one's."""
    notes = Notes()
    for file in files:
        notes.add(file.notes)
    return notes.all()
