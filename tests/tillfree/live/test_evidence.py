"""Evidence of live cameras: what is kept, cut, hidden, deleted, and what happens when there is no room."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from checkout.types import ReviewOpened
from recordings.files import load_recording
from tests.tillfree.live.evidence_rig import (
    BEGAN_NS,
    FRAME_NS,
    SAMPLES,
    SIZE_PX,
    EvidenceShop,
    S,
    decoded,
    look,
    packets,
    pictures,
    request,
    times_s,
    true_faces,
    true_looks,
)
from tillfree.live.clips import clip_of_interaction
from tillfree.live.errors import ClipFailed
from tillfree.live.evidence_settings import EvidenceSettings, HeadSettings
from tillfree.live.evidence_video import ClipFile
from tillfree.live.heads import HeadFinder
from tillfree.live.segments import read_segment
from tillfree.sources.video import camera_sources, frames
from vision.detectors import find_weights, load_detector
from vision.pipeline import Instant
from vision.types import U8, EvidenceFrame, Interaction, People

pytestmark = pytest.mark.usefixtures("waits_for_no_disk")


MakeShop = Callable[..., EvidenceShop]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[MakeShop]:
    """Return a maker of evidence in a folder, with settings."""
    made: list[EvidenceShop] = []

    def make(**told: object) -> EvidenceShop:
        made.append(EvidenceShop(tmp_path / "evidence", **told))
        return made[-1]

    yield make
    for each in made:
        each.close()


def interaction(interaction_id: str = "i-1", cameras: tuple[str, ...] = ("cam1",), at_s: float = 6.0) -> Interaction:
    at_ns = BEGAN_NS + round(at_s * S)
    shown = tuple(EvidenceFrame(camera, 60, at_ns) for camera in cameras)
    return Interaction(interaction_id, "g/s", "g/s/tea", at_ns, at_ns + S, -1, 0.9, (), (), shown)


def review(review_id: str, interaction_id: str | None, at_s: float = 7.5, visit: str = "visit-1") -> ReviewOpened:
    at_ns = BEGAN_NS + round(at_s * S)
    return ReviewOpened(review_id, (visit,), interaction_id, "unsure", at_ns, at_ns + 60 * S, None, None, 0)


def instant(*events: Interaction) -> Instant:
    empty = np.zeros((0, 2))
    nobody = People(
        BEGAN_NS,
        np.zeros(0, np.int64),
        empty,
        np.zeros((0, 2, 2)),
        np.zeros((0, 2, 3)),
        empty,
        (),
        np.zeros(0, np.bool_),
    )
    return Instant(BEGAN_NS, (), nobody, {}, events)


# What is kept.


def test_packets_come_back_as_they_were(shop: MakeShop) -> None:
    made = shop()
    made.film(packets())
    made.pass_time(10)  # the last file ends, for nothing comes any more
    stored = [
        each for path in sorted((made.folder / "buffer").iterdir()) for each in read_segment(path)
    ]  # names rise with time
    assert [each.data for each in stored] == [each.data for each in packets()]
    assert [each.captured_at_ns for each in stored] == [each.captured_at_ns for each in packets()]
    assert stored[0].stream == packets()[0].stream


def test_files_begin_with_key_frames_and_are_for_the_owner_alone(shop: MakeShop) -> None:
    made = shop()
    made.film(packets())
    files = sorted((made.folder / "buffer").iterdir())
    assert len(files) == 7  # a key frame every 4 s in 25 s
    assert all(next(read_segment(path)).is_keyframe for path in files)
    assert [place.stat().st_mode & 0o777 for place in (made.folder, made.folder / "buffer")] == [0o700, 0o700]


def test_a_file_that_was_cut_short_is_read_up_to_there(shop: MakeShop) -> None:
    made = shop()
    made.film(packets()[:45])
    path = min((made.folder / "buffer").iterdir())
    whole = list(read_segment(path))
    path.write_bytes(path.read_bytes()[:-10])
    assert [each.data for each in read_segment(path)] == [each.data for each in whole[:-1]]


def test_another_connection_begins_another_file(shop: MakeShop) -> None:
    made = shop()
    made.film(packets()[:10])
    made.film([replace(each, session=2) for each in packets()[:10]], shift_ns=2 * S)
    assert made.evidence.status().buffers[0].segments == 1
    assert len(made.paths("buffer/*")) == 2


def test_what_is_old_is_deleted(shop: MakeShop) -> None:
    made = shop(buffer_s=22)
    made.film(packets())
    made.film(packets(), shift_ns=30 * S)
    (buffer,) = made.evidence.status().buffers
    assert buffer.from_ns is not None
    assert made.now_ns - 22 * S - 4 * S <= buffer.from_ns <= made.now_ns - 22 * S
    made.pass_time(60)
    assert made.paths("buffer/*") == []


def test_a_clip_that_waits_keeps_its_video(shop: MakeShop) -> None:
    made = shop(buffer_s=22)
    assert made.evidence.cut(request(24.5, 24.9))
    made.film(packets())
    made.pass_time(30)
    assert made.paths("buffer/*") != []
    assert made.make_all() == 1
    made.pass_time(1)
    assert made.paths("buffer/*") == []


def test_a_slow_disk_drops_to_the_next_key_frame_and_counts(shop: MakeShop) -> None:
    made = shop(queue_mb=1)
    big = [replace(each, data=each.data + bytes(30_000)) for each in packets()[:100]]
    for packet in big:  # nobody writes meanwhile
        made.evidence.keep("cam1", packet)
    (buffer,) = made.evidence.status().buffers
    assert buffer.waiting + buffer.dropped == 100
    assert 0 < sum(len(each.data) for each in big[: buffer.waiting]) <= 1_000_000
    made.evidence.write(0)
    for packet in packets()[100:125]:
        made.evidence.keep("cam1", packet)
    (after,) = made.evidence.status().buffers
    assert after.dropped == buffer.dropped + 20  # 120 is the next key frame
    assert after.waiting == 5


def test_without_key_frames_a_file_ends_all_the_same(shop: MakeShop) -> None:
    made = shop(segment_max_s=2)
    made.film([packets()[0], *(replace(each, is_keyframe=False) for each in packets()[1:60])])
    (buffer,) = made.evidence.status().buffers
    assert (buffer.segments, buffer.dropped) == (1, 40)


def test_a_disk_that_takes_nothing_is_told_and_asked_again(shop: MakeShop) -> None:
    made = shop()
    (made.folder / "buffer").rmdir()
    made.film(packets()[:5])
    assert "buffer cannot be written" in str(made.evidence.status().problem)
    (made.folder / "buffer").mkdir()
    made.film(packets()[40:45])
    assert made.evidence.status().problem is None


# Clips.


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EvidenceShop, tuple[U8, ...]]]:
    """Give a clip from 3 s to 8 s of the recording, and its pictures."""
    made = EvidenceShop(tmp_path_factory.mktemp("clip") / "evidence")
    assert made.evidence.cut(request(visit_ids=("visit-1",)))
    for seen in true_looks():
        made.evidence.detected(seen)
    made.film(packets()[:122])
    assert made.make_all() == 1
    yield made, decoded(made.folder / "clips/clip/cam1.mp4")
    made.close()


def test_a_clip_has_its_interval(clip: tuple[EvidenceShop, tuple[U8, ...]]) -> None:
    made, found = clip
    note = json.loads((made.folder / "clips/clip/cam1.json").read_text(encoding="utf-8"))
    assert abs(note["first_ns"] - note["from_ns"]) <= FRAME_NS
    assert abs(note["last_ns"] - note["to_ns"]) <= FRAME_NS
    assert len(found) == note["pictures"] == 51
    assert times_s(made.folder / "clips/clip/cam1.mp4") == pytest.approx([k / 10 for k in range(51)])
    assert (note["is_whole"], note["blurred"], note["hidden_pictures"]) == (True, True, 0)


def test_heads_are_hidden_and_the_rest_is_not(clip: tuple[EvidenceShop, tuple[U8, ...]]) -> None:
    _, found = clip
    finder = HeadFinder(true_looks(), SIZE_PX, HeadSettings())
    in_heads, elsewhere, faces = [], [], 0
    for k, picture in list(enumerate(found, 30))[::4]:
        hidden = np.zeros(picture.shape[:2], np.bool_)
        for left, top, right, bottom in finder.boxes_px(BEGAN_NS + k * FRAME_NS, SIZE_PX):
            hidden[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = True
        change = np.abs(picture.astype(np.int16) - pictures()[k]).max(axis=2)
        in_heads.append(change[hidden])
        elsewhere.append(change[~hidden].mean())
        points = true_faces().get(k, [])
        assert all(hidden[int(y), int(x)] for x, y in points)
        faces += len(points)
    assert faces > 10
    assert np.concatenate(in_heads).mean() > 10
    assert max(elsewhere) < 6


def test_without_the_setting_heads_stay(shop: MakeShop) -> None:
    made = shop(blur_heads=False)
    made.evidence.cut(request(3, 4))
    for seen in true_looks():
        made.evidence.detected(seen)
    made.film(packets()[:90])
    made.make_all()
    found = decoded(made.folder / "clips/clip/cam1.mp4")
    changes = [np.abs(each.astype(np.int16) - pictures()[k]).mean() for k, each in enumerate(found[:3], 30)]
    assert max(changes) < 4
    assert '"blurred": false' in (made.folder / "clips/clip/cam1.json").read_text(encoding="utf-8")


def test_where_nobody_looked_all_is_hidden(shop: MakeShop) -> None:
    made = shop()
    made.evidence.cut(request(3, 4))
    made.film(packets()[:90])
    made.make_all()
    note = json.loads((made.folder / "clips/clip/cam1.json").read_text(encoding="utf-8"))
    assert note["hidden_pictures"] == note["pictures"] == 11
    found = decoded(made.folder / "clips/clip/cam1.mp4")
    inside = found[0][45:85, 85:155]  # within the second of four cells across and the first down... of 160 x 90 pixels
    assert inside.reshape(-1, 3).std(axis=0).max() < 4


def test_a_clip_waits_for_its_video_but_not_for_ever(shop: MakeShop) -> None:
    made = shop(cover_wait_s=15)
    made.evidence.cut(request(9, 11))
    made.film(packets()[:100])
    made.pass_time(0)
    assert made.make_all() == 0
    made.now_ns = BEGAN_NS + 26 * S
    made.evidence.write(0)
    assert made.make_all() == 1
    (made_clip,) = made.evidence.store.clips()
    assert not made_clip.note.is_whole
    assert made_clip.note.last_ns == BEGAN_NS + 99 * FRAME_NS


def test_a_clip_of_what_is_not_there_fails_and_says_so(shop: MakeShop) -> None:
    made = shop()
    made.evidence.cut(request(1, 2))
    made.pass_time(60)
    assert made.make_all() == 1
    status = made.evidence.status()
    assert (status.clips_failed, status.clips_made) == (1, 0)
    assert "no picture of it is in the buffer" in str(status.problem)
    assert made.paths("clips/*") == []


def test_a_stream_with_its_format_inside_is_cut_too(shop: MakeShop, tmp_path: Path) -> None:
    made = shop()
    made.evidence.cut(request(0, 0.5))
    path = tmp_path / "inside.mp4"
    with ClipFile(path, 30) as file:
        for k in range(10):
            file.add(BEGAN_NS + k * FRAME_NS, pictures()[k])
    made.film(annex_b(path))
    made.pass_time(30)
    assert made.make_all() == 1
    assert made.evidence.store.clips()[0].note.pictures == 6


def annex_b(path: Path) -> list:
    """Return a file's packets as RTSP gives them: with start codes, parameter sets inside, nothing told beforehand."""
    import av
    from av.bitstream import BitStreamFilterContext

    first = packets()[0]
    info = replace(first.stream, extradata=b"", width_px=0, height_px=0)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        inside = BitStreamFilterContext("h264_mp4toannexb", stream)
        passed = [each for packet in container.demux(stream) if packet.size for each in inside.filter(packet)]
        return [
            replace(
                first,
                stream=info,
                data=bytes(each),
                is_keyframe=each.is_keyframe,
                captured_at_ns=BEGAN_NS + round((each.pts or 0) * (stream.time_base or 1) * S),
            )
            for each in passed
        ]


def test_raw_video_is_refused_in_words(shop: MakeShop) -> None:
    made = shop()
    raw = replace(packets()[0].stream, codec="rawvideo")
    made.film([replace(each, stream=raw) for each in packets()[:50]])
    made.evidence.cut(request(0, 1))
    made.make_all()
    assert "let it send H.264 or Motion JPEG" in str(made.evidence.status().problem)


# Who asks.


def test_a_review_asks_for_the_cameras_that_saw_its_interaction(shop: MakeShop) -> None:
    made = shop(cameras=("cam1", "cam2", "cam3"))
    made.evidence.written(interaction(cameras=("cam1", "cam3")))
    assert made.evidence.status().clips_waiting == 0
    assert made.evidence.reviewed(review("review-1", "i-1"))
    assert made.evidence.status().clips_waiting == 2
    assert made.evidence.reviewed(review("review-2", None, at_s=9))
    assert made.evidence.status().clips_waiting == 5


def test_interactions_ask_where_they_should(shop: MakeShop) -> None:
    made = shop(clips="interactions", before_s=0, after_s=0.2)
    made.evidence.written(interaction(at_s=4.0))
    made.film(packets()[:90])
    made.make_all()
    made.evidence.reviewed(review("review-1", "i-1"))
    made.evidence.reviewed(review("review-2", "i-1", visit="visit-2"))
    made.make_all()
    (found,) = made.evidence.store.clips()
    assert found.note.interaction_id == "i-1"
    assert (found.note.review_ids, found.note.visit_ids) == (("review-1", "review-2"), ("visit-1", "visit-2"))
    assert made.evidence.status().clips_made == 1
    assert made.opened().store.of_review("review-2") == (found,)


def test_no_clips_are_made_where_none_are_wanted(shop: MakeShop) -> None:
    made = shop(clips="none")
    made.evidence.written(interaction())
    assert not made.evidence.reviewed(review("review-1", "i-1"))
    assert made.evidence.status().clips_waiting == 0


def test_a_full_queue_refuses_and_counts(shop: MakeShop) -> None:
    made = shop(jobs_max=2)
    asked = [made.evidence.cut(request(clip_id=f"clip-{k}")) for k in range(3)]
    assert asked == [True, True, False]
    assert made.evidence.cut(request(clip_id="clip-1", review_ids=("review-1",)))  # waits already
    status = made.evidence.status()
    assert (status.clips_waiting, status.clips_refused) == (2, 1)


def test_requests_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="clip_id"):
        request(clip_id="../elsewhere")
    with pytest.raises(ValueError, match="to_ns"):
        request(2, 2)
    with pytest.raises(ValidationError, match="buffer_s must be at least"):
        EvidenceSettings(buffer_s=10)


def test_a_camera_of_another_store_is_refused(shop: MakeShop) -> None:
    with pytest.raises(ValueError, match="cam9"):
        shop().evidence.cut(request(cameras=("cam9",)))


def test_a_hand_that_stays_is_cut_off() -> None:
    settings = EvidenceSettings(clip_max_s=10)
    long = replace(interaction(), closed_at_ns=interaction().opened_at_ns + 90 * S)
    wanted = clip_of_interaction(long, ("cam1", "cam2"), settings)
    assert wanted.to_ns - wanted.from_ns == 10 * S
    assert wanted.camera_ids == ("cam1",)
    assert wanted.clip_id == f"{long.opened_at_ns // S}-i-1"


# How long, and in how much room.


def filled(made: EvidenceShop, clips: int, **more: object) -> None:
    """Make clips of a second each, 30 s after each other."""
    for k in range(clips):
        shift_ns = k * 30 * S
        made.film(packets()[:50], shift_ns)
        wanted = request(1, 2, clip_id=f"clip-{k}", visit_ids=(f"visit-{k}",), review_ids=(f"review-{k}",))
        moved = replace(wanted, from_ns=wanted.from_ns + shift_ns, to_ns=wanted.to_ns + shift_ns)
        made.evidence.cut(moved)
        made.make_all()


def names(made: EvidenceShop) -> list[str]:
    return [clip.note.clip_id for clip in made.evidence.store.clips()]


def test_clips_are_deleted_when_they_are_old(shop: MakeShop) -> None:
    made = shop(keep_clips_days=1, blur_heads=False)
    filled(made, 2)
    made.pass_time(86_400 - 55 + 30 - 3)
    assert names(made) == ["clip-1"]
    assert made.paths("clips/*/*") == ["clips/clip-1/cam1.json", "clips/clip-1/cam1.mp4"]
    made.pass_time(60)
    assert made.paths("clips/*") == []


def test_a_visits_clips_are_deleted_by_its_id(shop: MakeShop) -> None:
    made = shop(blur_heads=False)
    filled(made, 2)
    made.evidence.cut(request(1, 2, clip_id="waits", visit_ids=("visit-0",)))
    assert made.evidence.delete_visit("visit-0") == 1
    assert made.evidence.delete_visit("visit-0") == 0
    assert names(made) == ["clip-1"]
    assert made.evidence.status().clips_waiting == 0
    assert made.paths("clips/*") == ["clips/clip-1"]


def test_a_clip_whose_visit_is_deleted_meanwhile_is_not_made(shop: MakeShop) -> None:
    made = shop()
    made.film(packets()[:122])
    made.evidence.cut(request(visit_ids=("visit-1",)))
    job = made.evidence._queue.take(lambda _job: True)
    assert job is not None
    made.evidence.delete_visit("visit-1")
    made.evidence._make(job)
    assert made.paths("clips/*") == []


def test_room_is_made_of_the_buffer_first(shop: MakeShop) -> None:
    made = shop(disk_budget_mb=1, buffer_least_s=5, blur_heads=False)
    filled(made, 1)
    big = [replace(each, data=each.data + bytes(20_000)) for each in packets()]
    made.film(big, shift_ns=60 * S)
    status = made.evidence.status()
    assert status.buffer_bytes + status.clips_bytes <= 2_000_000  # one file of 4 s above it at most
    assert names(made) == []  # it had to go, for the last 5 s alone are more than the budget
    assert status.is_full


def test_clips_of_open_reviews_stay_and_nothing_new_is_made(shop: MakeShop) -> None:
    made = shop(blur_heads=False)
    filled(made, 3)
    made.open_reviews = ("review-0",)
    made.free_bytes = 0
    made.pass_time(1)
    assert names(made) == ["clip-0"]
    status = made.evidence.status()
    assert status.is_full
    assert status.problem == "there is no room for clips"
    assert status.buffer_bytes == 0
    assert not made.evidence.cut(request(clip_id="another"))
    made.film(packets()[:10], shift_ns=100 * S)
    assert made.paths("buffer/*") == []
    made.free_bytes = 1 << 50
    made.pass_time(1)
    made.film(packets()[:45], shift_ns=120 * S)
    assert not made.evidence.status().is_full
    assert made.paths("buffer/*") != []


def test_where_nobody_knows_the_open_reviews_their_clips_stay(shop: MakeShop) -> None:
    made = shop(blur_heads=False)
    filled(made, 2)
    made.open_reviews = None
    made.free_bytes = 0
    made.pass_time(1)
    assert names(made) == ["clip-0", "clip-1"]


def test_a_start_deletes_what_a_crash_left(shop: MakeShop) -> None:
    made = shop(blur_heads=False)
    filled(made, 1)
    clips = made.folder / "clips"
    (clips / "half").mkdir()
    (clips / "half/cam1.mp4.part").write_bytes(b"half")
    (clips / "clip-0/cam2.mp4").write_bytes(b"no note")
    (clips / "clip-0/cam3.json").write_text("{}", encoding="utf-8")
    (clips / "clip-0/cam4.json.part").write_text("{", encoding="utf-8")
    before = made.evidence.store.clips()
    assert made.paths("buffer/*") != []
    assert made.opened().store.clips() == before
    assert made.paths("buffer/*") == []
    assert made.paths("clips/*/*") == ["clips/clip-0/cam1.json", "clips/clip-0/cam1.mp4"]
    assert made.paths("clips/*") == ["clips/clip-0"]


def test_a_disk_that_takes_no_clip_is_told(tmp_path: Path) -> None:
    with pytest.raises(ClipFailed, match="cannot be written"), ClipFile(tmp_path / "no/such/folder.mp4", 30) as file:
        file.add(BEGAN_NS, pictures()[0])


@pytest.mark.slow
def test_faces_are_hidden_by_what_the_bundled_detector_finds() -> None:
    """Faces that the truth says are seen, hidden by looks at every picture: 0.999 of them in this recording."""
    name = "wrong-shelf"
    source_of = {each.camera_id: each for each in camera_sources(load_recording(SAMPLES / name))}
    detector = load_detector(find_weights().path)
    points, covered = 0, 0
    for camera, source in source_of.items():
        looks = [found for _, found in detector.detect_each(frames(source), 8)]
        finder = HeadFinder(looks, SIZE_PX, HeadSettings())
        faces = true_faces(name, camera)
        for seen in looks:
            boxes_px = finder.boxes_px(seen.captured_at_ns, SIZE_PX)
            for x, y in faces.get(seen.frame_index, []):
                points += 1
                covered += any(left <= x <= right and top <= y <= bottom for left, top, right, bottom in boxes_px)
    assert points > 1_000
    assert covered / points > 0.99


def test_threads_make_a_clip_and_end(shop: MakeShop) -> None:
    made = shop()
    made.now_ns = BEGAN_NS + 6 * S
    made.evidence.start()
    for packet in packets()[:60]:
        made.evidence.keep("cam1", packet)
    assert made.evidence.cut(request(1, 2))
    pause, left = threading.Event(), 3_000
    while made.evidence.status().clips_made < 1:
        assert left, made.evidence.status()
        pause.wait(0.01)
        left -= 1
    made.evidence.stop()
    assert made.paths("clips/*/*.mp4") == ["clips/clip/cam1.mp4"]
    assert made.paths("buffer/*") == []
    assert not made.evidence.cut(request(3, 4, clip_id="late"))


# Where heads are.


def boxes(*found: tuple[int, int, int, int], at_s: float) -> object:
    return look("cam1", round(at_s * 10), [list(map(float, each)) for each in found])


def hidden(looks: list, at_s: float, **told: float) -> list[tuple[int, int, int, int]]:
    return HeadFinder(looks, SIZE_PX, HeadSettings(**told)).boxes_px(BEGAN_NS + round(at_s * S), SIZE_PX)


def test_between_two_looks_the_head_may_be_anywhere_between() -> None:
    looks = [boxes((100, 50, 60, 180), at_s=1.0), boxes((220, 50, 60, 180), at_s=2.0)]
    ((left, top, right, bottom),) = hidden(looks, 1.5)
    assert (left <= 100, top <= 50, right >= 280, bottom >= 50 + 60) == (True, True, True, True)


def test_a_look_that_misses_somebody_changes_nothing() -> None:
    looks = [boxes((100, 50, 60, 180), at_s=1.0), boxes(at_s=1.1), boxes((104, 50, 60, 180), at_s=1.2)]
    ((left, _, right, bottom),) = hidden(looks, 1.1)
    assert (left <= 100, right >= 164, bottom >= 85) == (True, True, True)


def test_whoever_is_found_no_more_stays_hidden_for_a_while() -> None:
    looks = [boxes((100, 50, 60, 180), at_s=1.0), *(boxes(at_s=k / 10) for k in range(11, 150))]
    assert hidden(looks, 11.9) == [(100, 50, 160, 110)]
    assert hidden(looks, 12.1) == []


def test_two_people_are_two() -> None:
    looks = [boxes((100, 50, 60, 180), (400, 50, 60, 180), at_s=k / 10) for k in range(10)]
    assert len(hidden(looks, 0.5)) == 2


def test_a_head_at_the_edge_is_hidden_whole() -> None:
    looks = [boxes((300, 330, 120, 30), at_s=k / 10) for k in range(10)]
    ((_, top, _, bottom),) = hidden(looks, 0.5)
    assert (top <= 330, bottom >= 360) == (True, True)


def test_boxes_are_scaled_to_the_other_stream() -> None:
    looks = [boxes((100, 50, 60, 180), at_s=k / 10) for k in range(10)]
    finder = HeadFinder(looks, SIZE_PX, HeadSettings())
    small, large = (finder.boxes_px(BEGAN_NS + S // 2, size)[0] for size in (SIZE_PX, (1920, 1080)))
    assert large == pytest.approx([3 * each for each in small], abs=3)


def test_far_from_any_look_all_is_hidden() -> None:
    looks = [boxes(at_s=1.0)]
    assert hidden(looks, 2.9) == []
    assert hidden(looks, 3.1) == [(0, 0, *SIZE_PX)]
    assert hidden([], 1.0) == [(0, 0, *SIZE_PX)]
