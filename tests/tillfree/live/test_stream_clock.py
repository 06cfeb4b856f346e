"""Stream times on this machine's clock: order, accuracy, drift, and every way in which a stream's times can lie."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillfree.live.envelope import LowerEnvelope
from tillfree.live.feed_settings import StreamClockSettings
from tillfree.live.stream_clock import StreamClock, Times

S, MS = 1_000_000_000, 1_000_000
START_NS = 1_770_000_000 * S
SETTINGS = StreamClockSettings()

Packet = tuple[int | None, int]
"""Time in the stream, and of arrival."""


def stream(
    seconds: float,
    *,
    fps: float = 10.0,
    drift_ppm: float = 0.0,
    jitter_ms: float = 0.0,
    seed: int = 0,
    from_s: float = 0.0,
    least_ms: float = 40.0,
) -> Iterator[Packet]:
    """Yield packets of a camera whose clock gains ``drift_ppm``, each delayed by ``least_ms`` and up to ``jitter_ms``."""
    lot, arrival_ns = Random(seed), 0
    for k in range(round(seconds * fps)):
        taken_ns = round(from_s * S + k * S / fps)
        sent_ns = round(taken_ns * (1 + drift_ppm * 1e-6))
        delay_ms = least_ms + (0.0 if lot.random() < 0.2 else lot.random() * jitter_ms)
        arrival_ns = max(arrival_ns + 1, START_NS + taken_ns + round(delay_ms * MS))
        yield sent_ns, arrival_ns


def run(clock: StreamClock, packets: Iterable[Packet]) -> list[int]:
    """Return the times of pictures, each asked for at once after its packet."""
    found = []
    for stream_ns, arrival_ns in packets:
        clock.observe(stream_ns, arrival_ns)
        found.append(clock.capture_ns(stream_ns, arrival_ns))
    return found


def lateness(found: list[int], fps: float = 10.0, from_s: float = 0.0) -> list[float]:
    """Return by how many ms each picture is later than it was taken."""
    return [(at_ns - START_NS - round(from_s * S + k * S / fps)) / MS for k, at_ns in enumerate(found)]


def test_a_quiet_network_gives_the_least_delay() -> None:
    late = lateness(run(StreamClock(SETTINGS, "auto"), stream(10)))
    assert late == pytest.approx([40.0] * 100)


def test_jitter_is_taken_out() -> None:
    clock = StreamClock(SETTINGS, "auto")
    late = lateness(run(clock, stream(180, jitter_ms=150)))
    assert max(late[100:]) - min(late[100:]) < 3
    assert late[-1] == pytest.approx(40, abs=2)
    assert clock.reading.origin == "stream"
    assert clock.reading.realigned == 0


@pytest.mark.parametrize("drift_ppm", [-100.0, 60.0, 1_001.0])
def test_drift_is_followed_and_told(drift_ppm: float) -> None:
    clock = StreamClock(SETTINGS, "auto")
    late = lateness(run(clock, stream(600, drift_ppm=drift_ppm, jitter_ms=50)))
    assert clock.reading.drift_ppm == pytest.approx(drift_ppm, abs=30)
    assert late[-1] == pytest.approx(40, abs=5)
    assert clock.reading.origin == "stream"


@pytest.mark.parametrize("drift_ppm", [600_000.0, -600_000.0, 8_000.0, -8_000.0])
def test_times_that_no_crystal_makes_are_not_believed(drift_ppm: float) -> None:
    clock = StreamClock(SETTINGS, "auto")
    packets = list(stream(240, drift_ppm=drift_ppm))
    found = run(clock, packets)
    assert clock.reading.origin == "arrival"
    assert found[-1] == packets[-1][1]


def test_invented_times_are_seen_within_seconds() -> None:
    clock = StreamClock(SETTINGS, "auto")
    run(clock, stream(5, drift_ppm=-600_000))
    assert clock.reading.origin == "arrival"


def test_whoever_insists_gets_the_streams_times() -> None:
    clock = StreamClock(SETTINGS, "stream")
    run(clock, stream(240, drift_ppm=8_000))
    assert clock.reading.origin == "stream"


def test_arrival_alone() -> None:
    packets = list(stream(20, jitter_ms=100))
    clock = StreamClock(SETTINGS, "arrival")
    assert run(clock, packets) == [arrival_ns for _, arrival_ns in packets]
    assert clock.reading.origin == "arrival"


@pytest.mark.parametrize("broken", [None, 7 * S])
def test_times_that_are_missing_or_stand_still(broken: int | None) -> None:
    clock = StreamClock(SETTINGS, "auto")
    run(clock, stream(7))
    packets = [(broken, START_NS + 8 * S + k * 100 * MS) for k in range(20)]
    assert run(clock, packets)[-5:] == [arrival_ns for _, arrival_ns in packets[-5:]]
    assert clock.reading.origin == "arrival"


def test_one_missing_time_does_no_harm() -> None:
    packets = list(stream(10, jitter_ms=30))
    packets[0] = (None, packets[0][1])
    packets[50] = (None, packets[50][1])
    clock = StreamClock(SETTINGS, "auto")
    run(clock, packets)
    assert clock.reading.origin == "stream"


@pytest.mark.parametrize("jump_s", [-7_000.0, -3.0, 5.0, 90_000.0])
def test_a_jump_of_the_stream_is_followed(jump_s: float) -> None:
    clock = StreamClock(SETTINGS, "auto")
    packets = [
        (sent_ns if k < 600 else sent_ns + round(jump_s * S), arrival_ns)
        for k, (sent_ns, arrival_ns) in enumerate(stream(120, jitter_ms=20, from_s=8_000))
        if sent_ns is not None
    ]
    late = lateness(run(clock, packets), from_s=8_000)
    assert max(late[60:]) < 65
    assert late[-1] == pytest.approx(40, abs=3)
    assert clock.reading.realigned == 1


def test_a_burst_of_old_pictures_at_the_beginning() -> None:
    packets = [(k * 100 * MS, START_NS + 2 * S + k * MS) for k in range(20)]
    packets += [(2 * S + k * 100 * MS, START_NS + 2 * S + 20 * MS + k * 100 * MS) for k in range(100)]
    clock = StreamClock(SETTINGS, "auto")
    late = lateness(run(clock, packets))
    assert late[25:] == pytest.approx([20.0] * 95, abs=0.001)


def test_a_stall_and_its_backlog_keep_their_distances() -> None:
    packets = [
        (sent_ns, arrival_ns if not 20 * S < k * 100 * MS < 24 * S else START_NS + 24 * S + k)
        for k, (sent_ns, arrival_ns) in enumerate(stream(60))
    ]
    assert lateness(run(StreamClock(SETTINGS, "auto"), packets)) == pytest.approx([40.0] * 600, abs=0.01)


def test_a_longer_way_is_found_after_the_window() -> None:
    clock = StreamClock(SETTINGS, "auto")
    packets = list(stream(60)) + [(sent, at + 400 * MS) for sent, at in stream(300, from_s=60)]
    assert lateness(run(clock, packets))[-1] == pytest.approx(440, abs=1)


def test_a_connection_anew_goes_on() -> None:
    clock = StreamClock(SETTINGS, "auto")
    before = run(clock, stream(20))
    clock.connected()
    after = run(clock, [(sent, at + 20 * S) for sent, at in stream(20)])
    assert after[0] > before[-1]
    assert after[-1] == pytest.approx(START_NS + 40 * S - 60 * MS, abs=MS)


def test_a_format_without_times() -> None:
    clock = StreamClock(SETTINGS, "auto")
    clock.connected(is_timed=False)
    packets = list(stream(20))
    assert run(clock, packets) == [arrival_ns for _, arrival_ns in packets]
    clock.connected()
    run(clock, [(sent, at + 20 * S) for sent, at in packets])
    assert clock.reading.origin == "stream"


def test_somebody_sets_this_machines_clock() -> None:
    clock = StreamClock(SETTINGS, "auto")
    before = run(clock, stream(20))
    packets = [(sent, at - 10 * S) for sent, at in stream(40, from_s=20)]
    found = run(clock, packets)
    assert found[0] > before[-1]
    assert found[-1] == packets[-1][1]


def heard(clock: StreamClock, ahead_s: float) -> list[int]:
    found = []
    for k, (sent_ns, arrival_ns) in enumerate(stream(60, jitter_ms=30)):
        assert sent_ns is not None
        sender_ns = START_NS + sent_ns + round(ahead_s * S) if k > 20 else None
        clock.observe(sent_ns, arrival_ns, sender_ns)
        found.append(clock.capture_ns(sent_ns, arrival_ns))
    return found


def test_a_camera_with_a_set_clock_says_when_its_pictures_were_taken() -> None:
    clock = StreamClock(SETTINGS, "sender")
    assert lateness(heard(clock, 0.0))[-1] == pytest.approx(0, abs=0.01)
    assert clock.reading.origin == "sender"


def test_a_camera_with_a_wrong_clock_is_not_believed() -> None:
    clock = StreamClock(SETTINGS, "sender")
    assert lateness(heard(clock, 3_600.0))[-1] == pytest.approx(40, abs=2)
    assert clock.reading.origin == "stream"
    assert clock.reading.sender_ahead_ns == pytest.approx(3_600 * S, abs=S)


def test_a_cameras_clock_is_told_but_not_used_by_itself() -> None:
    clock = StreamClock(SETTINGS, "auto")
    assert lateness(heard(clock, -0.5))[-1] == pytest.approx(40, abs=2)
    assert clock.reading.sender_ahead_ns == pytest.approx(-540 * MS, abs=31 * MS)


wild_times = st.one_of(st.none(), st.integers(-(10**15), 10**15), st.integers(0, 20).map(lambda k: k * 100 * MS))
wild_packets = st.lists(st.tuples(wild_times, st.integers(0, 30 * S)), max_size=60)
all_times = st.sampled_from(["stream", "arrival", "sender", "auto"])


@given(wild_packets, all_times, st.booleans())
def test_times_always_rise(steps: list[tuple[int | None, int]], times: Times, sender: bool) -> None:
    clock, arrival_ns, last_ns = StreamClock(SETTINGS, times), START_NS, 0
    for stream_ns, step_ns in steps:
        arrival_ns += step_ns
        clock.observe(stream_ns, arrival_ns, stream_ns if sender else None)
        found_ns = clock.capture_ns(stream_ns, arrival_ns)
        assert found_ns > last_ns
        assert found_ns <= max(arrival_ns, last_ns + 1)
        last_ns = found_ns


@settings(max_examples=20, deadline=None)
@given(
    st.floats(-150, 150),
    st.floats(0, 120),
    st.integers(0, 2**20),
    st.sampled_from([5.0, 10.0, 25.0]),
    st.floats(-(10**5), 10**5),
)
def test_the_error_is_bounded(drift_ppm: float, jitter_ms: float, seed: int, fps: float, from_s: float) -> None:
    clock = StreamClock(SETTINGS, "auto")
    packets = stream(60, fps=fps, drift_ppm=drift_ppm, jitter_ms=jitter_ms, seed=seed)
    moved = [(sent + round(from_s * S), at) for sent, at in packets if sent is not None]
    late = lateness(run(clock, moved), fps)
    settled = late[round(8 * fps) :]
    assert max(settled) - 40 <= max(0.2 * jitter_ms, 1) + 20
    assert min(settled) - 40 >= -(0.2 * jitter_ms + 20)
    assert clock.reading.origin == "stream"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 3 * S), st.integers(-S, S)), min_size=1, max_size=80))
def test_the_envelope_lies_below_what_it_keeps(steps: list[tuple[int, int]]) -> None:
    envelope, at_ns, kept = LowerEnvelope(S, 20 * S, 5 * S), START_NS, []
    for step_ns, delay_ns in steps:
        at_ns += step_ns
        line = envelope.add(at_ns, delay_ns)
        kept = [(at, delay) for at, delay in [*kept, (at_ns, delay_ns)] if at_ns - at <= 20 * S]
        newest_bucket = [delay for at, delay in kept if at // S == at_ns // S]
        if line.slope == 0.0 and envelope.span_ns < 5 * S:
            assert line.value(at_ns) <= min(newest_bucket)
        else:  # equal delays in one bucket count by the first of them
            assert line.value(at_ns) <= min(newest_bucket) + 1 + abs(line.slope) * S
        assert envelope.span_ns <= 20 * S
