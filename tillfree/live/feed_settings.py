"""What the readers of live cameras can be told: how long to wait, when to believe a stream's times."""

from __future__ import annotations

from pydantic import Field

from store_layout.model import Strict


class StreamClockSettings(Strict):
    """When and how a stream's own times are put on this machine's clock."""

    bucket_s: float = Field(
        default=1.0,
        gt=0,
        le=10,
        description="s in which the quickest packet stands for all: one undelayed packet in ten or more is near certain on a store's network",
    )
    window_s: float = Field(
        default=120.0,
        ge=10,
        le=3_600,
        description="s that the least delay and the drift are read from; a crystal that is 50 ppm off moves by 6 ms in it, which is seen above a switch's jitter",
    )
    settle_s: float = Field(
        default=5.0,
        ge=0,
        le=60,
        description="s after a connection in which a better offset counts at once: cameras begin with a burst of old pictures",
    )
    slope_after_s: float = Field(
        default=20.0,
        ge=2,
        le=600,
        description="s of packets that a drift is read from at least; before, jitter of some ms would be taken for hundreds of ppm",
    )
    judge_after_s: float = Field(
        default=3.0,
        ge=1,
        le=600,
        description="s of packets after which times are judged: a camera that invents them is 10 % off or more, and seen by then",
    )
    slew_ppm: float = Field(
        default=5_000.0,
        gt=0,
        le=100_000,
        description="how fast times are moved to a better offset, µs each s: ten times what a bad crystal drifts, and no visible change of speed",
    )
    step_s: float = Field(
        default=0.25,
        gt=0,
        le=10,
        description="s of error from which times are set at once in place of slewed: the engine waits for another camera about so long",
    )
    ahead_s: float = Field(
        default=1.0,
        gt=0,
        le=60,
        description="s that a packet may be earlier than the least delay allows; more, and the stream's times have jumped",
    )
    behind_s: float = Field(
        default=15.0,
        gt=0,
        le=600,
        description="s that a packet may be later than the least delay; more than any read that is waited for, so the stream's times have jumped",
    )
    back_s: float = Field(
        default=1.0,
        ge=0,
        le=10,
        description="s by which times may go back within a stream: pictures that are coded out of order; more, and they began anew",
    )
    drift_ppm_max: float = Field(
        default=2_000.0,
        gt=0,
        le=100_000,
        description="drift up to which a stream's times are believed; crystals keep within 100, and 1001 is a camera that says 30 a second for 29.97",
    )
    drift_slack_s: float = Field(
        default=0.5,
        ge=0,
        le=10,
        description="s of drift in the window that are allowed besides: delays that change are not the camera's clock",
    )
    missing_max: int = Field(
        default=5,
        ge=1,
        le=1_000,
        description="packets in a row without a time, or with the same one, after which times of arrival are taken",
    )
    sender_s_max: float = Field(
        default=5.0,
        gt=0,
        le=3_600,
        description="s between a camera's clock and this machine's up to which times: sender is believed: more is a clock that nobody sets",
    )


class FeedSettings(Strict):
    """How cameras are read while the store runs."""

    open_timeout_s: float = Field(
        default=5.0,
        gt=0,
        le=60,
        description="s that a camera has to answer, and then once more to tell its format; also the longest that stopping takes while a camera is asked",
    )
    read_timeout_s: float = Field(
        default=5.0,
        gt=0,
        le=60,
        description="s without a packet after which a connection is given up; cameras send several a second",
    )
    stalled_s: float = Field(
        default=1.0,
        gt=0,
        le=60,
        description="s without a packet after which a camera is reported as stalled; ten pictures at 10 a second",
    )
    picture_timeout_s: float = Field(
        default=15.0,
        gt=0,
        le=300,
        description="s of packets without a picture after which a connection is given up; longer than cameras take between key frames, mostly 1 to 10 s",
    )
    backoff_first_s: float = Field(
        default=0.5,
        gt=0,
        le=60,
        description="s before the first try to connect again; a camera that restarts takes tens",
    )
    backoff_factor: float = Field(default=2.0, ge=1, le=10, description="what each further wait is longer by")
    backoff_max_s: float = Field(
        default=30.0, gt=0, le=3_600, description="longest wait (s): a camera that comes back is seen again within it"
    )
    backoff_jitter: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="share of each wait that is drawn by lot, so that cameras that fell together with a switch do not all ask at once",
    )
    steady_s: float = Field(
        default=10.0, ge=0, le=600, description="s of pictures after which the next wait is the first one again"
    )
    corrupt_max: int = Field(
        default=150,
        ge=1,
        le=10_000,
        description="damaged packets and pictures in a row after which a connection is given up and its decoder with it; 6 s at 25 a second, longer than cameras mostly take between key frames",
    )
    probe_s: float = Field(
        default=2.0,
        gt=0,
        le=30,
        description="s of packets that may be read to learn a stream's format before it is taken as it is",
    )
    receive_buffer_bytes: int = Field(
        default=2 << 20,
        ge=1 << 16,
        le=64 << 20,
        description="socket buffer for UDP: a key frame of 4K comes in one burst of up to 1 MB; the system may allow less",
    )
    clock: StreamClockSettings = StreamClockSettings()
