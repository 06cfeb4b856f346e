"""A run's settings: one validated file for vision, checkout and billing."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from billing.page_settings import PageSettings
from billing.policy import BillingPolicy, MailPolicy, OutboxPolicy
from checkout.settings import CheckoutPolicy
from dashboard.stock.settings import StockSettings
from recordings.errors import RecordingError
from store_layout.files import read_model
from store_layout.model import Strict
from tillfree.live.evidence_settings import EvidenceSettings
from tillfree.live.feed_settings import FeedSettings
from tillfree.live.health_settings import HealthSettings
from tillfree.live.live_settings import LiveSettings
from tillfree.live.settings import GateSettings
from vision.settings import VisionSettings


class RunSettings(Strict):
    """What can be told to a run. Every key has a default; docs/settings.md lists them with unit and reason."""

    vision: VisionSettings = VisionSettings()
    checkout: CheckoutPolicy = CheckoutPolicy()
    billing: BillingPolicy = BillingPolicy()
    page: PageSettings = PageSettings()
    gates: GateSettings = GateSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    health: HealthSettings = HealthSettings()
    feeds: FeedSettings = FeedSettings()
    live: LiveSettings = LiveSettings()
    stock: StockSettings = StockSettings()
    outbox: OutboxPolicy = OutboxPolicy()
    mail: MailPolicy | None = Field(
        default=None,
        description="the server that receipts are mailed by: host, port, security, user, sender and sender_name (docs/billing.md); without it nothing is mailed",
    )


def load_settings(path: Path | None) -> RunSettings:
    """Read a settings file; without one, return the defaults.

    Raises:
        RecordingError: the file is missing, is no YAML, or has a key or value that is not allowed.
    """
    return RunSettings() if path is None else read_model(path, RunSettings, RecordingError)
