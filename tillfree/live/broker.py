"""The two ends of a store's broker, opened from its store file."""

from __future__ import annotations

from pathlib import Path

from tillfree.errors import MissingExtra
from tillfree.live.bus import Publisher, Subscriber
from tillfree.live.bus_settings import BusSettings
from tillfree.live.storefile import Broker, StoreConfig

_MISSING = "a broker needs nats-py: pip install 'tillfree[nats]'"


def open_publisher(config: StoreConfig, worker: str, run: str, settings: BusSettings) -> Publisher:
    """Return a worker's end. Raises MissingExtra."""
    try:
        from tillfree.live.nats_bus import NatsPublisher
    except ModuleNotFoundError as error:
        raise MissingExtra(_MISSING) from error
    return NatsPublisher(_broker(config), worker, run, settings, config.workers[worker])


def open_subscriber(config: StoreConfig, settings: BusSettings, bookmark: Path) -> Subscriber:
    """Return the coordinator's end, which keeps in ``bookmark`` where it is. Raises MissingExtra."""
    try:
        from tillfree.live.nats_bus import NatsSubscriber
    except ModuleNotFoundError as error:
        raise MissingExtra(_MISSING) from error
    return NatsSubscriber(_broker(config), settings, bookmark)


def _broker(config: StoreConfig) -> Broker:
    assert config.broker is not None, "only a store with a broker has workers"
    return config.broker
