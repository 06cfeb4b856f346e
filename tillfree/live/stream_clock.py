"""The times of a camera's pictures on this machine's clock: from the stream where it can be trusted, else from arrival.

A stream says exactly how far its pictures lie apart, and nothing of when they were taken; their arrival says when, and
trembles with the network. The least delay of the last minutes (``envelope.py``) joins the two. It holds what the camera
needs to encode a picture and the network to bring it at its quickest, which nothing here can see: all of a camera's times
are late by that, evenly.

All integers are nanoseconds; those of arrival are Unix times. Nothing here asks a clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from tillfree.live.envelope import Line, LowerEnvelope
from tillfree.live.feed_settings import StreamClockSettings

Times = Literal["stream", "arrival", "sender", "auto"]
"""What a camera's times are to come from; ``auto`` is the stream until it proves wrong."""
Origin = Literal["stream", "arrival", "sender"]

_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class ClockReading:
    """How a stream's clock stands. ``drift_ppm`` is above 0 where it is faster than this machine's; None: not known yet.

    ``offset_ns`` is what is added to the stream's times. ``realigned`` counts how often times were set anew in place of
    moved slowly: jumps of the stream, and better knowledge. ``sender_ahead_ns`` is how far the camera's own clock is
    ahead of this machine's by its sender reports, less by the delay than it really is.
    """

    origin: Origin
    offset_ns: int | None
    drift_ppm: float | None
    realigned: int
    sender_ahead_ns: int | None


class PictureClock(Protocol):
    """Tells when pictures were taken, from the times of their packets."""

    def connected(self, *, is_timed: bool = True) -> None:
        """Hear of another stream; ``is_timed`` says whether its format has times at all."""
        ...

    def observe(self, stream_ns: int | None, arrival_ns: int, sender_ns: int | None = None) -> None:
        """Take the times of a packet, in the order of arrival."""
        ...

    def capture_ns(self, stream_ns: int | None, arrival_ns: int) -> int:
        """Return when a picture was taken, later than all before."""
        ...

    def packet_ns(self, stream_ns: int | None, arrival_ns: int) -> int:
        """Return the same for a packet, in any order."""
        ...

    @property
    def reading(self) -> ClockReading:
        """How the clock stands now."""
        ...


class FileClock:
    """The times of a file that is played: its own, from the moment of its first packet on."""

    def __init__(self) -> None:
        self._offset_ns: int | None = None
        self._last_ns: int | None = None

    def connected(self, *, is_timed: bool = True) -> None:
        """Do nothing: a file is played once, or its times go on."""

    def observe(self, stream_ns: int | None, arrival_ns: int, sender_ns: int | None = None) -> None:
        """Take the first packet's time as that of its arrival."""
        del sender_ns
        if self._offset_ns is None and stream_ns is not None:
            self._offset_ns = arrival_ns - stream_ns

    def capture_ns(self, stream_ns: int | None, arrival_ns: int) -> int:
        """Return when a picture was to be shown, later than all before."""
        found_ns = self.packet_ns(stream_ns, arrival_ns)
        self._last_ns = found_ns if self._last_ns is None else max(found_ns, self._last_ns + 1)
        return self._last_ns

    def packet_ns(self, stream_ns: int | None, arrival_ns: int) -> int:
        """Return when a packet's picture is to be shown."""
        if stream_ns is None or self._offset_ns is None:
            return arrival_ns
        return stream_ns + self._offset_ns

    @property
    def reading(self) -> ClockReading:
        """The file's times, put where it began."""
        return ClockReading("stream", self._offset_ns, None, 0, None)


class StreamClock:
    """Puts one connection's times on this machine's clock. ``observe`` each packet, then ask ``capture_ns`` of pictures."""

    def __init__(self, settings: StreamClockSettings, times: Times) -> None:
        self._settings, self._asked, self._times = settings, times, times
        self._envelope = LowerEnvelope(_ns(settings.bucket_s), _ns(settings.window_s), _ns(settings.slope_after_s))
        self._trusted = times != "arrival"
        self._missing = 0
        self._realigned = 0
        self._sender_ahead_ns: int | None = None
        self._drift_ppm: float | None = None
        self._last_ns: int | None = None
        self._forget()

    def _forget(self) -> None:
        """Begin anew with the stream's times; what was given out stays given out."""
        self._envelope.clear()
        self._offset_ns: int | None = None
        self._sender_offset_ns: int | None = None
        self._newest_ns: int | None = None
        self._line: Line | None = None
        self._began_ns: int | None = None
        self._seen_ns = 0
        self._drift_ppm = None

    def connected(self, *, is_timed: bool = True) -> None:
        """Take what follows as another stream; times that were given out stay behind all that follow.

        ``is_timed`` says whether its format has times at all, for ``auto``.
        """
        self._forget()
        self._times = "arrival" if self._asked == "auto" and not is_timed else self._asked
        self._trusted = self._times != "arrival"
        self._missing = 0

    def observe(self, stream_ns: int | None, arrival_ns: int, sender_ns: int | None = None) -> None:
        """Take the times of a packet, in the order of arrival; ``sender_ns`` is the camera's own Unix time of it."""
        if self._is_missing(stream_ns):
            self._missing += 1
            self._trusted = self._trusted and self._missing < self._settings.missing_max
            return
        assert stream_ns is not None
        self._missing = 0
        if arrival_ns < self._seen_ns - _ns(self._settings.bucket_s):  # somebody set this machine's clock
            self._begin_anew()
        self._learn(stream_ns, max(arrival_ns, self._seen_ns), sender_ns)

    def capture_ns(self, stream_ns: int | None, arrival_ns: int) -> int:
        """Return when a picture was taken, later than all before, and not later than ``arrival_ns`` if that can be."""
        found_ns = arrival_ns if stream_ns is None else self.packet_ns(stream_ns, arrival_ns)
        if self._last_ns is not None:
            found_ns = max(found_ns, self._last_ns + 1)
        self._last_ns = found_ns
        return found_ns

    def packet_ns(self, stream_ns: int | None, arrival_ns: int) -> int:
        """Return the same for a packet, which need not be later than the one before: they come in coding order."""
        if stream_ns is None or self._offset_ns is None or self.reading.origin == "arrival":
            return arrival_ns
        return min(stream_ns + self._offset_ns, arrival_ns)

    @property
    def reading(self) -> ClockReading:
        """How the clock stands now."""
        origin: Origin = "stream" if self._trusted else "arrival"
        if self._trusted and self._times == "sender" and self._sender_offset_ns is not None:
            origin = "sender"
        return ClockReading(origin, self._offset_ns, self._drift_ppm, self._realigned, self._sender_ahead_ns)

    def _is_missing(self, stream_ns: int | None) -> bool:
        return stream_ns is None or (stream_ns == self._newest_ns)

    def _learn(self, stream_ns: int, arrival_ns: int, sender_ns: int | None) -> None:
        delay_ns = arrival_ns - stream_ns
        if self._jumped(stream_ns, arrival_ns):
            self._begin_anew()
        line = self._envelope.add(arrival_ns, delay_ns)
        self._judge()
        self._hear_sender(stream_ns, arrival_ns, sender_ns)
        self._align(self._target_ns(line, arrival_ns), arrival_ns)
        self._newest_ns = stream_ns if self._newest_ns is None else max(stream_ns, self._newest_ns)
        self._seen_ns = arrival_ns
        self._line = line

    def _begin_anew(self) -> None:
        self._forget()
        self._realigned += 1

    def _jumped(self, stream_ns: int, arrival_ns: int) -> bool:
        """Tell whether the stream's times went back, or away from the arrivals by more than a network does."""
        if self._newest_ns is None or self._line is None:
            return False
        if stream_ns < self._newest_ns - _ns(self._settings.back_s):
            return True
        late_ns = arrival_ns - stream_ns - self._line.value(arrival_ns)
        return late_ns > _ns(self._settings.behind_s) or (
            late_ns < -_ns(self._settings.ahead_s) and not self._is_settling(arrival_ns)
        )

    def _is_settling(self, arrival_ns: int) -> bool:
        return self._began_ns is None or arrival_ns - self._began_ns < _ns(self._settings.settle_s)

    def _judge(self) -> None:
        """Read the drift; a stream whose drift is no crystal's is not believed until it is well within bounds again."""
        span_ns = self._envelope.span_ns
        if span_ns >= _ns(self._settings.slope_after_s):
            self._drift_ppm = -self._envelope.slope * 1e6
        if self._times != "auto" or span_ns < _ns(self._settings.judge_after_s):
            return
        moved_ns = abs(self._envelope.slope) * span_ns
        allowed_ns = self._settings.drift_ppm_max * 1e-6 * span_ns + _ns(self._settings.drift_slack_s)
        self._trusted = moved_ns <= (allowed_ns if self._trusted else allowed_ns / 2)

    def _hear_sender(self, stream_ns: int, arrival_ns: int, sender_ns: int | None) -> None:
        if sender_ns is None:
            return
        self._sender_ahead_ns = sender_ns - arrival_ns
        is_near = abs(self._sender_ahead_ns) <= _ns(self._settings.sender_s_max)
        self._sender_offset_ns = sender_ns - stream_ns if is_near else None

    def _target_ns(self, line: Line, arrival_ns: int) -> int:
        if self._times == "sender" and self._sender_offset_ns is not None:
            return self._sender_offset_ns
        return line.value(arrival_ns)

    def _align(self, target_ns: int, arrival_ns: int) -> None:
        """Bring the offset to ``target_ns``: at once at the beginning or where it is far off, else slowly."""
        if self._began_ns is None:
            self._began_ns = arrival_ns
        if self._offset_ns is None or self._is_settling(arrival_ns):
            self._offset_ns = target_ns
            return
        error_ns = target_ns - self._offset_ns
        if abs(error_ns) >= _ns(self._settings.step_s):
            self._offset_ns = target_ns
            self._realigned += 1
            return
        most_ns = round(self._settings.slew_ppm * 1e-6 * (arrival_ns - self._seen_ns))
        self._offset_ns += max(-most_ns, min(most_ns, error_ns))


def _ns(seconds: float) -> int:
    return round(seconds * _S)
