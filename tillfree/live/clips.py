"""Clips on the disk: ``<clip id>/<camera>.mp4`` with a note beside it that says what it shows.

A clip is there when its note is: both are written beside their names and then renamed, the note last. What a crash left
half done is deleted when the folder is opened.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Annotated, Self

from pydantic import Field, ValidationError

from checkout.types import ReviewOpened
from store_layout.model import Strict
from tillfree.live.evidence_settings import EvidenceSettings
from vision.types import Interaction

_S = 1_000_000_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_PART = ".part"


@dataclass(frozen=True, slots=True)
class ClipRequest:
    """What a clip is wanted of: some cameras from ``from_ns`` to ``to_ns`` (Unix ns).

    ``clip_id`` names its folder and is the only one of its kind for good; ids of interactions begin anew with every start.
    """

    clip_id: str
    camera_ids: tuple[str, ...]
    from_ns: int
    to_ns: int
    interaction_id: str | None = None
    review_ids: tuple[str, ...] = ()
    visit_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.clip_id):
            raise ValueError(f"clip_id: {self.clip_id!r} is no name of a folder")
        if self.from_ns >= self.to_ns:
            raise ValueError(f"to_ns: {self.to_ns} is not after from_ns = {self.from_ns}")


def clip_of_interaction(
    interaction: Interaction, cameras: Iterable[str], settings: EvidenceSettings, review: ReviewOpened | None = None
) -> ClipRequest:
    """Return what to ask for: the cameras that gave evidence, or all ``cameras`` where none did."""
    shown = {frame.camera_id for frame in interaction.evidence}
    times = [interaction.opened_at_ns, interaction.closed_at_ns]
    return ClipRequest(
        clip_id=f"{interaction.opened_at_ns // _S}-{interaction.interaction_id}",
        camera_ids=tuple(each for each in cameras if not shown or each in shown),
        **_interval(min(times), max(times), settings),
        interaction_id=interaction.interaction_id,
        review_ids=() if review is None else (review.review_id,),
        visit_ids=() if review is None else review.visit_ids,
    )


def clip_of_review(review: ReviewOpened, cameras: Iterable[str], settings: EvidenceSettings) -> ClipRequest:
    """Return what to ask for where no interaction is known: all ``cameras`` around the review's beginning."""
    return ClipRequest(
        clip_id=f"{review.at_ns // _S}-{review.review_id}",
        camera_ids=tuple(cameras),
        **_interval(review.at_ns, review.at_ns, settings),
        interaction_id=review.interaction_id,
        review_ids=(review.review_id,),
        visit_ids=review.visit_ids,
    )


def _interval(began_ns: int, ended_ns: int, settings: EvidenceSettings) -> dict[str, int]:
    from_ns = began_ns - round(settings.before_s * _S)
    to_ns = ended_ns + round(settings.after_s * _S)
    return {"from_ns": from_ns, "to_ns": max(from_ns + 1, min(to_ns, from_ns + round(settings.clip_max_s * _S)))}


class ClipNote(Strict):
    """What is written beside a clip. Times are Unix ns; ``first_ns`` and ``last_ns`` are of its pictures."""

    version: Annotated[int, Field(ge=1, le=1)] = 1
    clip_id: Annotated[str, Field(pattern=f"^{_NAME.pattern}$")]
    camera_id: Annotated[str, Field(pattern=f"^{_NAME.pattern}$")]
    interaction_id: str | None
    review_ids: tuple[str, ...]
    visit_ids: tuple[str, ...]
    from_ns: int
    to_ns: int
    first_ns: int
    last_ns: int
    pictures: int
    blurred: bool
    hidden_pictures: Annotated[
        int, Field(description="pictures that are hidden as a whole, for nobody knows where heads were")
    ]
    is_whole: Annotated[bool, Field(description="whether the camera's video covers the interval")]
    made_at_ns: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip that is there."""

    path: Path
    note: ClipNote


class ClipStore:
    """The folder of clips. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        """Open the folder, and delete what a crash left half done. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._folder, self._lock = folder, Lock()
        self._clips = {(clip.note.clip_id, clip.note.camera_id): clip for clip in _swept(folder)}

    def draft(self, clip_id: str, camera_id: str) -> Path:
        """Return where to write a clip's video before it is ``add``-ed. Raises OSError."""
        place = self._folder / clip_id
        place.mkdir(exist_ok=True, mode=0o700)
        return place / f"{camera_id}.mp4{_PART}"

    def discard(self, draft: Path) -> None:
        """Delete what was drafted."""
        draft.unlink(missing_ok=True)
        _remove_if_empty(draft.parent)

    def add(self, draft: Path, note: ClipNote) -> Clip:
        """Make a drafted video a clip, in place of one of the same name, whose reviews and visits it takes over.

        Raises OSError.
        """
        with self._lock:
            before = self._clips.get((note.clip_id, note.camera_id))
            if before is not None:
                note = _linked(note, before.note.review_ids, before.note.visit_ids)
            path = draft.with_suffix("")
            path.with_suffix(".json").unlink(missing_ok=True)
            draft.replace(path)
            clip = Clip(path, note)
            _write_note(clip)
            self._clips[note.clip_id, note.camera_id] = clip
            return clip

    def link(self, clip_id: str, review_ids: Collection[str], visit_ids: Collection[str]) -> int:
        """Note further reviews and visits of a clip; return how many cameras' clips there are. Raises OSError."""
        with self._lock:
            same = [clip for clip in self._clips.values() if clip.note.clip_id == clip_id]
            for clip in same:
                linked = Clip(clip.path, _linked(clip.note, review_ids, visit_ids))
                _write_note(linked)
                self._clips[clip_id, clip.note.camera_id] = linked
            return len(same)

    def has(self, clip_id: str) -> bool:
        """Tell whether a clip is there, of any camera."""
        with self._lock:
            return any(known == clip_id for known, _ in self._clips)

    def find(self, clip_id: str, camera_id: str) -> Clip | None:
        """Return one camera's clip, None where there is none."""
        with self._lock:
            return self._clips.get((clip_id, camera_id))

    def clips(self) -> tuple[Clip, ...]:
        """Return all clips, the oldest first."""
        with self._lock:
            return tuple(sorted(self._clips.values(), key=_age))

    def of_review(self, review_id: str) -> tuple[Clip, ...]:
        """Return a review's clips."""
        return tuple(clip for clip in self.clips() if review_id in clip.note.review_ids)

    def of_visit(self, visit_id: str) -> tuple[Clip, ...]:
        """Return a visit's clips."""
        return tuple(clip for clip in self.clips() if visit_id in clip.note.visit_ids)

    def delete_visit(self, visit_id: str) -> int:
        """Delete a visit's clips, also those that are of other visits, too; return how many. Raises OSError."""
        return self._delete(self.of_visit(visit_id))

    def delete_older(self, than_ns: int) -> int:
        """Delete clips whose interval ended before ``than_ns``; return how many. Raises OSError."""
        return self._delete([clip for clip in self.clips() if clip.note.to_ns < than_ns])

    def delete_oldest(self, open_reviews: Collection[str] | None) -> bool:
        """Delete the oldest clip of which no review is open, and tell whether there was one. Raises OSError.

        None says that nobody knows which are open: then only clips that no review ever asked for are deleted.
        """
        for clip in self.clips():
            asked = set(clip.note.review_ids)
            if not asked or (open_reviews is not None and asked.isdisjoint(open_reviews)):
                return self._delete([clip]) == 1
        return False

    @property
    def size_bytes(self) -> int:
        """What all clips take."""
        with self._lock:
            return sum(clip.note.size_bytes for clip in self._clips.values())

    def _delete(self, clips: Iterable[Clip]) -> int:
        count = 0
        with self._lock:
            for clip in clips:
                if self._clips.pop((clip.note.clip_id, clip.note.camera_id), None) is not None:
                    clip.path.with_suffix(".json").unlink(missing_ok=True)
                    clip.path.unlink(missing_ok=True)
                    _remove_if_empty(clip.path.parent)
                    count += 1
        return count


def _age(clip: Clip) -> tuple[int, str, str]:
    return clip.note.to_ns, clip.note.clip_id, clip.note.camera_id


def _joined(known: Iterable[str], more: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*known, *more]))


def _linked(note: ClipNote, review_ids: Iterable[str], visit_ids: Iterable[str]) -> ClipNote:
    more = {"review_ids": _joined(note.review_ids, review_ids), "visit_ids": _joined(note.visit_ids, visit_ids)}
    return note.model_copy(update=more)


def _write_note(clip: Clip) -> None:
    """Write a note beside its name, bring it to the disk, and rename it."""
    path = clip.path.with_suffix(".json")
    draft = path.with_name(path.name + _PART)
    with draft.open("w", encoding="utf-8") as file:
        file.write(clip.note.model_dump_json(indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _swept(folder: Path) -> Iterator[Clip]:
    """Yield the clips in a folder, and delete what is half a clip. Other people's files are left alone."""
    for place in sorted(each for each in folder.iterdir() if each.is_dir()):
        for part in place.glob(f"*{_PART}"):
            part.unlink()
        notes = {path.with_suffix(".mp4"): _read_note(path) for path in sorted(place.glob("*.json"))}
        for path, note in notes.items():
            if note is None or not path.is_file():
                path.with_suffix(".json").unlink()
            else:
                yield Clip(path, note)
        for path in place.glob("*.mp4"):
            if notes.get(path) is None:
                path.unlink()
        _remove_if_empty(place)


def _read_note(path: Path) -> ClipNote | None:
    try:
        return ClipNote.model_validate_json(path.read_bytes())
    except ValidationError:
        return None


def _remove_if_empty(place: Path) -> None:
    if place.is_dir() and not any(place.iterdir()):
        place.rmdir()


OpenReviews = Callable[[], Collection[str] | None]
"""Tells which reviews are open; None where nobody knows yet."""


@dataclass(frozen=True, slots=True)
class ClipJob:
    """One camera's part of a request."""

    request: ClipRequest
    camera_id: str

    def with_links(self, request: ClipRequest) -> Self:
        """Return the job with what another request of the same clip knows of reviews and visits."""
        return type(self)(
            ClipRequest(
                self.request.clip_id,
                self.request.camera_ids,
                self.request.from_ns,
                self.request.to_ns,
                self.request.interaction_id,
                _joined(self.request.review_ids, request.review_ids),
                _joined(self.request.visit_ids, request.visit_ids),
            ),
            self.camera_id,
        )


Sizes = Mapping[str, tuple[int, int]]
"""Width and height of each camera's pictures in the layout, in which people are found."""
