"""The store file that ``tillfree run`` reads: layout, cameras with their sources, billing, and where things are kept.

Secrets are not in it: it names environment variables. No error here repeats a source or what stands for a password.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field

from store_layout.errors import InputError
from store_layout.files import load_store, read_model
from store_layout.model import Identifier, Store, Strict
from tillfree.live.address import MEND, Address, Login, parse_address
from tillfree.live.alert_settings import Alerting, AlertsEntry, alerting_of
from tillfree.live.connection import Transport
from tillfree.live.feeds import CameraFeed
from tillfree.live.hooks import variable_of
from tillfree.live.replenish_settings import Replenish, ReplenishmentEntry, replenish_of
from tillfree.live.stream_clock import Times

EMBEDDED = "embedded"


STORE_FILE = "store.yaml"
"""What a store file is called where a folder is named in its place."""


class CameraEntry(Strict):
    """Where one camera of the layout is had from."""

    id: Identifier
    source: Annotated[str, Field(description="rtsp://, rtsps://, http://, https://, usb:0, usb:/dev/video0, or a file")]
    evidence: Annotated[str | None, Field(description="the main stream, where source is a smaller one")] = None
    transport: Annotated[Transport, Field(description="how RTSP brings its packets")] = "tcp"
    times: Annotated[Times, Field(description="where the times of pictures come from")] = "auto"
    loop: Annotated[bool, Field(description="play a file again and again")] = False
    username: str | None = None
    password_env: Annotated[str | None, Field(description="the environment variable that holds the password")] = None


class Listen(Strict):
    """Where the machine's own HTTP API listens."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65_535)] = 8400


class Shop(Strict):
    """Where embedded billing listens, with the shopper's page."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65_535)] = 8300
    url: Annotated[
        str | None,
        Field(description="where shoppers reach the page, such as https://shop.example; host and port if left out"),
    ] = None


class DashboardEntry(Strict):
    """Where operators watch the store."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65_535)] = 8500
    url: Annotated[
        str | None,
        Field(description="where browsers reach it, such as https://desk.example; host and port if left out"),
    ] = None


class BrokerEntry(Strict):
    """The broker over which vision workers tell the coordinator what their cameras saw."""

    url: Annotated[str, Field(description="nats://HOST:4222, or tls://")]
    store: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="the store's name at the broker, which may have several"),
    ] = "store"
    username: str | None = None
    password_env: Annotated[str | None, Field(description="the environment variable that holds the password")] = None


class StoreFile(Strict):
    """A whole store file. Paths are relative to it."""

    version: Literal[1]
    layout: Annotated[str, Field(description="the file that says where cameras, gates, shelves and products are")]
    settings: Annotated[str | None, Field(description="the file of settings; all are defaults if left out")] = None
    prices: Annotated[str | None, Field(description="the file of prices; the layout's if left out")] = None
    weights: Annotated[str | None, Field(description="the detector's weights")] = None
    data: Annotated[str, Field(description="the folder in which the store's books and logs are kept")] = "data"
    capacity: Annotated[
        int | None, Field(ge=1, le=10_000, description="most people inside; gates.capacity of the settings if left out")
    ] = None
    cameras: Annotated[tuple[CameraEntry, ...], Field(min_length=1, description="where cameras are had from")]
    absent: Annotated[tuple[Identifier, ...], Field(description="cameras of the layout that are not there")] = ()
    billing: Annotated[str, Field(description="embedded, or the URL of a billing service")] = EMBEDDED
    gateway: Annotated[
        Literal["sandbox", "stripe"], Field(description="who moves money; sandbox moves none, and is for trying")
    ] = "sandbox"
    listen: Annotated[Listen, Field(description="where the gates' API listens")] = Listen()
    shop: Annotated[Shop | None, Field(description="serves embedded billing; nothing is served if left out")] = None
    dashboard: Annotated[
        DashboardEntry | None, Field(description="serves the operators' dashboard; nothing is served if left out")
    ] = None
    alerts: Annotated[AlertsEntry | None, Field(description="who is told what is wrong; nobody if left out")] = None
    replenishment: Annotated[
        ReplenishmentEntry | None,
        Field(description="a program that is told what to bring to which slot; none if left out"),
    ] = None
    broker: Annotated[
        BrokerEntry | None, Field(description="splits the cameras over vision workers; one process has all if left out")
    ] = None
    workers: Annotated[
        dict[Identifier, tuple[Identifier, ...]],
        Field(default_factory=dict, description="each vision worker's cameras, with broker alone"),
    ]


@dataclass(frozen=True, slots=True)
class Broker:
    """Where a store's broker is; ``store`` is its name there."""

    url: str
    store: str
    login: Login | None = None


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """A store file whose parts fit together and whose files are there.

    ``feeds`` come in the order of the layout's cameras, those in ``absent`` left out, and those of other workers; a
    coordinator has none. ``billing_url`` is None where billing is embedded. ``broker`` is None and ``workers`` empty where
    one process has all cameras.
    """

    file: Path
    store: Store
    layout_path: Path
    settings_path: Path | None
    prices_path: Path | None
    weights_path: Path | None
    data_dir: Path
    capacity: int | None
    feeds: tuple[CameraFeed, ...]
    absent: tuple[str, ...]
    billing_url: str | None
    gateway: Literal["sandbox", "stripe"]
    listen: Listen
    shop: Shop | None = None
    dashboard: DashboardEntry | None = None
    alerts: Alerting | None = None
    replenish: Replenish | None = None
    broker: Broker | None = None
    workers: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)


def load_store_file(file: Path, environ: Mapping[str, str], worker: str | None = None) -> StoreConfig:
    """Read the store file ``file`` for the vision worker ``worker``, or for the store's one process or coordinator.

    Passwords come from ``environ``; of cameras only those are asked for that this process has. Raises InputError where
    the file or what it names is missing or wrong, a camera of the layout has no source, or a password's variable is not
    set; LayoutError where the layout is wrong.
    """
    model = _read(file)
    layout_path = file.parent / model.layout
    if not layout_path.is_file():
        raise InputError(f"there is no file '{model.layout}'", file=file, field="layout", mend="put the layout there")
    store = load_store(layout_path)
    _check_cameras(file, model, store)
    _check_workers(file, model, worker)
    mine = _own_cameras(model, worker)
    feeds = {
        entry.id: _feed(file, index, entry, environ) for index, entry in enumerate(model.cameras) if entry.id in mine
    }
    return StoreConfig(
        file=file,
        store=store,
        layout_path=layout_path,
        settings_path=_optional(file, "settings", model.settings),
        prices_path=_optional(file, "prices", model.prices),
        weights_path=_optional(file, "weights", model.weights),
        data_dir=_folder(file, model.data),
        capacity=model.capacity,
        feeds=tuple(feeds[camera.id] for camera in store.cameras if camera.id in feeds),
        absent=model.absent,
        billing_url=_billing_url(file, model.billing),
        gateway=model.gateway,
        listen=model.listen,
        shop=_shop(file, model),
        dashboard=model.dashboard,
        alerts=None if worker is not None else alerting_of(file, model.alerts, environ),
        replenish=None if worker is not None else _replenish(file, model, environ),
        broker=_broker(file, model, environ),
        workers=model.workers,
    )


def _read(file: Path) -> StoreFile:
    try:
        return read_model(file, StoreFile)
    except InputError as error:
        raise error from None  # pydantic's own error holds whole entries, with a password that should not be there


def _check_cameras(file: Path, model: StoreFile, store: Store) -> None:
    """Refuse cameras that are twice, unknown or without a source."""
    known = [camera.id for camera in store.cameras]
    named = [(f"cameras[{index}].id", entry.id) for index, entry in enumerate(model.cameras)]
    named += [(f"absent[{index}]", camera_id) for index, camera_id in enumerate(model.absent)]
    counts = Counter(camera_id for _, camera_id in named)
    for field, camera_id in named:
        if camera_id not in known:
            mend = f"the layout has: {', '.join(sorted(known))}"
            raise InputError(f"there is no camera '{camera_id}' in the layout", file=file, field=field, mend=mend)
        if counts[camera_id] > 1:
            raise InputError(f"'{camera_id}' is given twice", file=file, field=field, mend="take one out")
    missing = [camera_id for camera_id in known if camera_id not in counts]
    if missing:
        problem = f"the layout's camera '{missing[0]}' has no source"
        raise InputError(problem, file=file, field="cameras", mend="add it, or list it under 'absent'")


def _check_workers(file: Path, model: StoreFile, worker: str | None) -> None:
    """Refuse workers without a broker, cameras that no worker or several have, and a worker that is not there."""
    if model.broker is None and (model.workers or worker is not None):
        problem = "has workers, and no broker to hear them" if model.workers else "has no broker, and so no workers"
        mend = "add 'broker' with the url of a NATS server"
        raise InputError(problem, file=file, field="workers" if model.workers else None, mend=mend)
    if model.broker is None:
        return
    if not model.workers:
        raise InputError("are missing beside a broker", file=file, field="workers", mend="name each worker's cameras")
    if worker is not None and worker not in model.workers:
        mend = f"the store file has: {', '.join(sorted(model.workers))}"
        raise InputError(f"there is no worker '{worker}'", file=file, field="workers", mend=mend)
    _check_split(file, model)


def _check_split(file: Path, model: StoreFile) -> None:
    there = [entry.id for entry in model.cameras]
    counts = Counter(camera_id for cameras in model.workers.values() for camera_id in cameras)
    for name, cameras in model.workers.items():
        for index, camera_id in enumerate(cameras):
            where = f"workers.{name}[{index}]"
            if camera_id not in there:
                mend = f"the store has: {', '.join(there)}"
                raise InputError(f"there is no camera '{camera_id}'", file=file, field=where, mend=mend)
            if counts[camera_id] > 1:
                problem = f"'{camera_id}' is given twice"
                raise InputError(problem, file=file, field=where, mend="leave it to one worker")
        if not cameras:
            raise InputError("has no camera", file=file, field=f"workers.{name}", mend="give it one or take it out")
    missing = [camera_id for camera_id in there if camera_id not in counts]
    if missing:
        problem = f"no worker has camera '{missing[0]}'"
        raise InputError(problem, file=file, field="workers", mend="give it to one, or list it under 'absent'")


def _own_cameras(model: StoreFile, worker: str | None) -> frozenset[str]:
    """Return the cameras that this process reads: a coordinator reads none."""
    if model.broker is None:
        return frozenset(entry.id for entry in model.cameras)
    return frozenset() if worker is None else frozenset(model.workers[worker])


def _broker(file: Path, model: StoreFile, environ: Mapping[str, str]) -> Broker | None:
    entry = model.broker
    if entry is None:
        return None
    mend = "write nats://HOST:4222 or tls://HOST:4222; user and password go into username and password_env"
    try:
        parts = urlsplit(entry.url)
        is_url = parts.scheme in ("nats", "tls") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_url = False
    if not is_url:
        raise InputError("is no URL of a NATS server", file=file, field="broker.url", mend=mend)
    if "@" in parts.netloc:
        raise InputError("holds a user or a password", file=file, field="broker.url", mend=mend)
    if entry.username is None and entry.password_env is None:
        return Broker(entry.url, entry.store)
    return Broker(entry.url, entry.store, _named_login(file, "broker", entry.username, entry.password_env, environ))


def _feed(file: Path, index: int, entry: CameraEntry, environ: Mapping[str, str]) -> CameraFeed:
    where = f"cameras[{index}]"
    source = _address(file, f"{where}.source", entry.source)
    evidence = None if entry.evidence is None else _address(file, f"{where}.evidence", entry.evidence)
    _check_fit(file, where, entry, source, evidence)
    login = _login(file, where, entry, (source, evidence), environ)
    return CameraFeed(entry.id, source, evidence, entry.transport, entry.times, login, entry.loop)


def _address(file: Path, field: str, text: str) -> Address:
    try:
        address = parse_address(text, file.parent)
    except ValueError as error:
        mend = "take it out; write username and password_env" if "password" in str(error) else MEND
        raise InputError(str(error), file=file, field=field, mend=mend) from None
    if address.kind == "file" and not Path(address.place).is_file():
        raise InputError("there is no such file", file=file, field=field, mend=MEND)
    return address


def _check_fit(file: Path, where: str, entry: CameraEntry, source: Address, evidence: Address | None) -> None:
    """Refuse keys that mean nothing for a source of this kind."""
    kinds = {address.kind for address in (source, evidence) if address is not None}
    if entry.loop and "file" not in kinds:
        raise InputError("is for files alone", file=file, field=f"{where}.loop", mend="take it out")
    if entry.transport != "tcp" and "rtsp" not in kinds:
        raise InputError("is for RTSP alone", file=file, field=f"{where}.transport", mend="take it out")
    if evidence is not None and "usb" in kinds:
        problem = "cannot be had beside a device, which gives one stream"
        raise InputError(problem, file=file, field=f"{where}.evidence", mend="take it out")


def _login(
    file: Path, where: str, entry: CameraEntry, addresses: Iterable[Address | None], environ: Mapping[str, str]
) -> Login | None:
    if entry.username is None and entry.password_env is None:
        return None
    if not any(address is not None and address.kind in ("rtsp", "http") for address in addresses) and (
        entry.username is not None and entry.password_env is not None
    ):
        problem = "is for RTSP and HTTP alone"
        raise InputError(problem, file=file, field=f"{where}.username", mend="take username and password_env out")
    return _named_login(file, where, entry.username, entry.password_env, environ)


def _named_login(
    file: Path, where: str, username: str | None, password_env: str | None, environ: Mapping[str, str]
) -> Login:
    """Return a login whose password is in the variable ``password_env``."""
    if username is None or password_env is None:
        lacking = "username" if username is None else "password_env"
        raise InputError("is missing beside the other", file=file, field=f"{where}.{lacking}", mend="add it")
    return Login(username, variable_of(file, f"{where}.password_env", password_env, environ))


def _billing_url(file: Path, billing: str) -> str | None:
    if billing == EMBEDDED:
        return None
    mend = "write embedded, or a URL such as https://billing.example"
    try:
        parts = urlsplit(billing)
    except ValueError:
        raise InputError("is not a URL", file=file, field="billing", mend=mend) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError("is neither 'embedded' nor a URL", file=file, field="billing", mend=mend)
    if "@" in parts.netloc:
        raise InputError("holds a user or a password", file=file, field="billing", mend="take it out of the URL")
    return billing


def _shop(file: Path, model: StoreFile) -> Shop | None:
    if model.shop is not None and model.billing != EMBEDDED:
        problem = "is of embedded billing, and billing is elsewhere"
        raise InputError(problem, file=file, field="shop", mend="take it out, or write billing: embedded")
    return model.shop


def _replenish(file: Path, model: StoreFile, environ: Mapping[str, str]) -> Replenish | None:
    if model.replenishment is not None and model.dashboard is None:
        problem = "needs the book of stock, which is kept where there is a dashboard"
        raise InputError(problem, file=file, field="replenishment", mend="add 'dashboard', or take it out")
    return replenish_of(file, model.replenishment, environ)


def _optional(file: Path, field: str, name: str | None) -> Path | None:
    if name is None:
        return None
    path = file.parent / name
    if not path.exists():
        problem = f"there is no file '{name}'"
        raise InputError(problem, file=file, field=field, mend="mend the path or take the key out")
    return path


def _folder(file: Path, name: str) -> Path:
    path = file.parent / name
    if path.exists() and not path.is_dir():
        raise InputError(
            f"'{name}' is a file", file=file, field="data", mend="name a folder; it is made if it is missing"
        )
    return path
