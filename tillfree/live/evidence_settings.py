"""What the store's machine can be told of evidence: how much video it keeps, of what, for how long, and how it hides heads."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from store_layout.model import Strict


class HeadSettings(Strict):
    """How heads are hidden in clips: rather too much than too little."""

    score: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="people found at least this surely have their heads hidden; as in annotated videos, where hiding one too many costs nothing",
    )
    slack_s: float = Field(
        default=0.2,
        ge=0,
        le=5,
        description="s around a picture whose boxes count for it: two frames at 10 a second, for the clock of a camera's other stream may be off by about one",
    )
    lead_s: float = Field(
        default=0.5,
        ge=0,
        le=10,
        description="s before somebody is first found for which the upper third of the first box is hidden: people come in before they are found",
    )
    linger_s: float = Field(
        default=11.0,
        ge=0,
        le=60,
        description="s for which the upper third of a box is hidden that nobody goes on with; a second more than the motion gate's heartbeat, after which a still camera is looked at again",
    )
    blind_s: float = Field(
        default=2.0,
        gt=0,
        le=60,
        description="s without any look of the detector before and after a picture from which on the whole picture is hidden: nobody knows who is in it",
    )


class EvidenceSettings(Strict):
    """Which video is kept, for how long and in how much room. Never served; clips alone are for operators."""

    clips: Literal["reviews", "interactions", "none"] = Field(
        default="reviews",
        description="of what clips are made: of what an operator is asked about, of every hand at a shelf, or of nothing. Clips of every hand take the processor's time of a camera more",
    )
    buffer_s: float = Field(
        default=120.0,
        ge=10,
        le=3_600,
        description="s of encoded video that are kept of each camera, then deleted: a review opens within seconds of what it is about, and clips wait for each other",
    )
    segment_s: float = Field(
        default=2.0,
        ge=0.5,
        le=30,
        description="s after which a new file is begun, at the next key frame; what is deleted, and what a clip waits for, comes in such pieces",
    )
    segment_max_s: float = Field(
        default=30.0,
        ge=2,
        le=300,
        description="s after which a file ends without a key frame, too, and nothing is kept until one comes; cameras send one every 1 to 10 s",
    )
    queue_mb: int = Field(
        default=16,
        ge=1,
        le=1_024,
        description="MB of a camera's packets that wait for the disk at most, then all is dropped to the next key frame; 16 s at 8 Mbit/s",
    )
    before_s: float = Field(
        default=4.0, ge=0, le=60, description="s that a clip begins before the hand: who comes, and from where"
    )
    after_s: float = Field(default=3.0, ge=0, le=60, description="s that a clip goes on after it: what is carried away")
    clip_max_s: float = Field(
        default=60.0,
        ge=5,
        le=600,
        description="s that a clip lasts at most; a hand that stays longer at a shelf is cut off",
    )
    jobs_max: int = Field(
        default=64,
        ge=1,
        le=10_000,
        description="clips, one a camera, that wait to be made; more are refused and counted: older ones would be out of the buffer by their turn",
    )
    cover_wait_s: float = Field(
        default=15.0,
        ge=0,
        le=120,
        description="s after a clip's end in which its video must be on the disk; then it is made of what there is, for the camera is gone",
    )
    nice: int = Field(
        default=10,
        ge=0,
        le=19,
        description="how far clips stand back for other work (Linux's niceness): at 10 they get a tenth of a busy core",
    )
    crf: int = Field(
        default=26,
        ge=0,
        le=51,
        description="quality of clips (x264's constant rate factor, lower is better); labels on packages stay as legible as in a stream of 4 Mbit/s",
    )
    blur_heads: bool = Field(
        default=True,
        description="whether heads are hidden in clips; without it, clips are pictures of persons, and law counts them as such",
    )
    heads: HeadSettings = HeadSettings()
    keep_clips_days: float = Field(
        default=30.0,
        gt=0,
        le=3_650,
        description="days after which clips are deleted, whatever they are of; most complaints about receipts come within weeks",
    )
    disk_budget_mb: int = Field(
        default=10_000,
        ge=1,
        le=100_000_000,
        description="MB of buffer and clips together: 120 s of 16 cameras at 8 Mbit/s are 1,920, a clip of 10 s some 2",
    )
    disk_free_min_mb: int = Field(
        default=2_000,
        ge=0,
        le=100_000_000,
        description="MB of the disk that are left to others: billing's books and the event log must never find it full",
    )
    buffer_least_s: float = Field(
        default=30.0,
        ge=5,
        le=3_600,
        description="s of the buffer that are kept when room is short while there are old clips to delete; what a new clip is made of",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        needed_s = self.before_s + self.after_s + self.cover_wait_s
        if self.buffer_s < needed_s:
            raise ValueError(
                f"buffer_s must be at least before_s + after_s + cover_wait_s = {needed_s:g}, or clips lose their beginnings"
            )
        return self
