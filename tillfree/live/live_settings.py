"""Settings of a store while it runs, beside those of vision, checkout, billing, gates and feeds."""

from __future__ import annotations

from store_layout.model import Strict
from tillfree.live.bus_settings import BusSettings
from tillfree.live.engine import EngineSettings
from tillfree.live.history import HistorySettings
from tillfree.live.joiner import JoinSettings
from tillfree.live.overload_settings import OverloadSettings
from tillfree.live.queues import QueueSettings
from tillfree.live.relay_settings import RelaySettings
from tillfree.live.resumption import ResumptionSettings


class LiveSettings(Strict):
    """How a store runs."""

    engine: EngineSettings = EngineSettings()
    queues: QueueSettings = QueueSettings()
    overload: OverloadSettings = OverloadSettings()
    relay: RelaySettings = RelaySettings()
    history: HistorySettings = HistorySettings()
    resumption: ResumptionSettings = ResumptionSettings()
    bus: BusSettings = BusSettings()
    join: JoinSettings = JoinSettings()
