"""What the dashboard's settings page is told of a store that runs: its files, its settings, and what it keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from billing.access import Access
from billing.people import People
from dashboard.reviews.desk import ANSWERS, LABELLED, UNDO_NS
from dashboard.settings.types import Group, Kept, Setting
from tillfree.live.alert_settings import Alerting
from tillfree.live.books import DATABASE
from tillfree.live.desk import AUDIT
from tillfree.live.evidence import EvidenceStatus
from tillfree.live.history import EVENTS
from tillfree.live.stock import STOCK
from tillfree.live.storefile import EMBEDDED, DashboardEntry, Listen, Shop, StoreConfig, StoreFile
from tillfree.live.visits import NOTES, PROJECTION
from tillfree.settings import RunSettings
from tillfree.settings_list import groups_of, plain_bounds_of, summary_of, text_of

_DAY_S = 86_400
_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class LiveConfiguration:
    """A dashboard's ``Configuration``; ``data`` is the store's folder. No source of a camera is told, for some have passwords in unlikely places."""

    config: StoreConfig
    settings: RunSettings
    data: Path
    operators: Access
    evidence: Callable[[], EvidenceStatus | None]

    @property
    def store_file(self) -> str:
        """See ``Configuration.store_file``."""
        return self.config.file.name

    @property
    def settings_file(self) -> str | None:
        """See ``Configuration.settings_file``."""
        return None if self.config.settings_path is None else self.config.settings_path.name

    def store(self) -> Group:
        """See ``Configuration.store``."""
        return Group("", summary_of(StoreFile), tuple(_told(key, value) for key, value in _store_file(self.config)))

    def groups(self) -> tuple[Group, ...]:
        """See ``Configuration.groups``."""
        told, config = self.settings, self.config
        if config.capacity is not None:
            told = told.model_copy(update={"gates": told.gates.model_copy(update={"capacity": config.capacity})})
        if config.broker is not None:  # video stays with the workers
            told = told.model_copy(update={"evidence": told.evidence.model_copy(update={"clips": "none"})})
        return groups_of(told)

    def kept(self, at_ns: int) -> tuple[Kept, ...]:
        """See ``Configuration.kept``."""
        told, data, video = self.settings, self.data, self.evidence()
        members = People(self.operators).all(at_ns)
        clips = (None, None) if video is None else (video.clips, video.clips_bytes)
        return (
            Kept("clips", told.evidence.keep_clips_days * _DAY_S, *clips),
            Kept("video", told.evidence.buffer_s, None, None if video is None else video.buffer_bytes),
            Kept("log", told.live.history.keep_days * _DAY_S, *_folder(data / EVENTS)),
            Kept("search", told.live.history.keep_days * _DAY_S, None, _database(data / PROJECTION)),
            Kept("books", None, None, _database(data / DATABASE)),
            Kept("notes", None, None, _database(data / NOTES)),
            Kept("stock", None, None, _database(data / STOCK)),
            Kept("answers", UNDO_NS / _S, None, _size(data / ANSWERS)),
            Kept("labelled", None, *_folder(data / LABELLED)),
            Kept("messages", told.outbox.keep_days * _DAY_S),
            Kept("sessions", self.operators.session_s, sum(len(each.sessions) for each in members)),
            Kept("shopper_sessions", told.page.session_days * _DAY_S),
            Kept(
                "links", People(self.operators).invitation_s, sum(each.invited_until_ns is not None for each in members)
            ),
            Kept("audit", None, None, _size(data / AUDIT)),
        )


def _store_file(config: StoreConfig) -> Iterator[tuple[str, object]]:
    """Yield the keys of a store file and what applies, in the file's order."""
    yield "layout", config.layout_path.name
    yield "settings", _name(config.settings_path)
    yield "prices", _name(config.prices_path)
    yield "weights", _name(config.weights_path)
    yield "data", config.data_dir.name
    yield "capacity", config.capacity
    yield "cameras", [f"{feed.camera_id} ({feed.source.kind})" for feed in config.feeds]
    yield "absent", config.absent
    yield "billing", EMBEDDED if config.billing_url is None else urlsplit(config.billing_url).hostname
    yield "gateway", config.gateway
    yield "listen", _place(config.listen)
    yield "shop", _place(config.shop)
    yield "dashboard", _place(config.dashboard)
    yield "alerts", None if config.alerts is None else _told_by(config.alerts)
    yield "replenishment", None if config.replenish is None else [config.replenish.hook.host, *config.replenish.times]
    yield "broker", None if config.broker is None else urlsplit(config.broker.url).hostname
    yield "workers", [f"{name} ({text_of(cameras)})" for name, cameras in config.workers.items()]


def _told_by(alerts: Alerting) -> list[str]:
    """Return how people are told; to whom is nobody else's."""
    return [way for way, there in (("webhook", alerts.webhook), ("email", alerts.email)) if there is not None]


def _told(key: str, value: object) -> Setting:
    field = StoreFile.model_fields[key]
    default = "" if field.is_required() else _default(field.get_default(call_default_factory=True))
    text = text_of(value)
    return Setting(key, text, default, text not in (default, "–"), plain_bounds_of(field), field.description or "")


def _default(value: object) -> str:
    return _place(value) or "–" if isinstance(value, Listen) else text_of(value or None)


def _place(entry: Listen | Shop | DashboardEntry | None) -> str | None:
    if entry is None:
        return None
    url = None if isinstance(entry, Listen) else entry.url
    return url or f"{entry.host}:{entry.port}"


def _name(path: Path | None) -> str | None:
    return None if path is None else path.name


def _folder(folder: Path) -> tuple[int, int]:
    """Return how many files a folder has, and their size; what goes meanwhile is left out."""
    sizes = [size for file in folder.glob("*") if (size := _size(file)) is not None]
    return len(sizes), sum(sizes)


def _database(database: Path) -> int | None:
    """Return the size of SQLite's file and its write-ahead log, None where there is none here."""
    main = _size(database)
    return None if main is None else main + (_size(database.with_name(f"{database.name}-wal")) or 0)


def _size(file: Path) -> int | None:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return None
