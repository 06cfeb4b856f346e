"""What a store that runs tells of its settings, and of what it keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting that applies. ``is_set`` says that the store's files have it; ``reason`` begins with its unit."""

    key: str
    value: str
    default: str
    is_set: bool
    bounds: str
    reason: str


@dataclass(frozen=True, slots=True)
class Group:
    """Settings under one key of a file, such as ``checkout.reviews``."""

    key: str
    summary: str
    settings: tuple[Setting, ...]

    @property
    def set_count(self) -> int:
        """How many the store's files have."""
        return sum(setting.is_set for setting in self.settings)


@dataclass(frozen=True, slots=True)
class Kept:
    """Something that is kept for ``keep_s``, None for ever. ``count`` and ``size_bytes`` are None where nobody counts."""

    what: str
    keep_s: float | None
    count: int | None = None
    size_bytes: int | None = None


class Configuration(Protocol):
    """What the store runs with. Everything was read at the start, and holds until the next."""

    @property
    def store_file(self) -> str:
        """The name of the store file."""
        ...

    @property
    def settings_file(self) -> str | None:
        """The name of the settings file, None where the store has none."""
        ...

    def store(self) -> Group:
        """Return what the store file says."""
        ...

    def groups(self) -> tuple[Group, ...]:
        """Return all settings, policies first."""
        ...

    def kept(self, at_ns: int) -> tuple[Kept, ...]:
        """Return what is kept, and for how long."""
        ...
