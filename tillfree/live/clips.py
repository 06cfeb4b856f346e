"""Clips on the disk: ``<clip id>/<camera>.mp4`` with a note beside it that says what it shows.

A clip is there when its note is: both are written beside their names and then renamed, the note last. What a crash left
half done is deleted when the folder is opened.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
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


def clip_of_interaction(interaction: Interaction, cameras: Iterable[str], settings: EvidenceSettings) -> ClipRequest:
    """Return what to ask for: the cameras that gave evidence, or all ``cameras`` where none did."""
    shown = {frame.camera_id for frame in interaction.evidence}
    times = [interaction.opened_at_ns, interaction.closed_at_ns]
    from_ns, to_ns = _interval(min(times), max(times), settings)
    return ClipRequest(
        clip_id=f"{interaction.opened_at_ns // _S}-{interaction.interaction_id}",
        camera_ids=tuple(each for each in cameras if not shown or each in shown),
        from_ns=from_ns,
        to_ns=to_ns,
        interaction_id=interaction.interaction_id,
    )


def clip_of_review(review: ReviewOpened, cameras: Iterable[str], settings: EvidenceSettings) -> ClipRequest:
    """Return what to ask for where no interaction is known: all ``cameras`` around the review's beginning."""
    from_ns, to_ns = _interval(review.at_ns, review.at_ns, settings)
    return ClipRequest(
        clip_id=f"{review.at_ns // _S}-{review.review_id}",
        camera_ids=tuple(cameras),
        from_ns=from_ns,
        to_ns=to_ns,
        interaction_id=review.interaction_id,
        review_ids=(review.review_id,),
        visit_ids=review.visit_ids,
    )


def _interval(began_ns: int, ended_ns: int, settings: EvidenceSettings) -> tuple[int, int]:
    from_ns = began_ns - round(settings.before_s * _S)
    to_ns = ended_ns + round(settings.after_s * _S)
    return from_ns, max(from_ns + 1, min(to_ns, from_ns + round(settings.clip_max_s * _S)))


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
    """A clip that is there, in ``folder`` of them all: what its note says, in a fifth of the note's memory."""

    folder: Path
    clip_id: str
    camera_id: str
    interaction_id: str | None
    review_ids: tuple[str, ...]
    visit_ids: tuple[str, ...]
    from_ns: int
    to_ns: int
    first_ns: int
    last_ns: int
    pictures: int
    blurred: bool
    hidden_pictures: int
    is_whole: bool
    made_at_ns: int
    size_bytes: int

    @classmethod
    def of(cls, folder: Path, note: ClipNote) -> Self:
        """Return the clip that a note describes."""
        return cls(folder, **{each.name: getattr(note, each.name) for each in fields(cls) if each.name != "folder"})

    @property
    def path(self) -> Path:
        """Where its video is."""
        return self.folder / self.clip_id / f"{self.camera_id}.mp4"

    @property
    def note(self) -> ClipNote:
        """What is written beside it."""
        return ClipNote(**{name: getattr(self, name) for name in ClipNote.model_fields if name != "version"})

    def linked(self, review_ids: Iterable[str], visit_ids: Iterable[str]) -> Self:
        """Return the clip with further reviews and visits."""
        return replace(
            self,
            review_ids=_joined(self.review_ids, review_ids),
            visit_ids=_joined(self.visit_ids, visit_ids),
        )


class ClipStore:
    """The folder of clips. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        """Open the folder, and delete what a crash left half done. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._folder, self._lock = folder, Lock()
        self._clips = {(clip.clip_id, clip.camera_id): clip for clip in _swept(folder)}

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
            clip = Clip.of(self._folder, note)
            before = self._clips.get((clip.clip_id, clip.camera_id))
            if before is not None:
                clip = clip.linked(before.review_ids, before.visit_ids)
            clip.path.with_suffix(".json").unlink(missing_ok=True)
            draft.replace(clip.path)
            _write_note(clip)
            self._clips[note.clip_id, note.camera_id] = clip
            return clip

    def link(self, clip_id: str, review_ids: Collection[str], visit_ids: Collection[str]) -> int:
        """Note further reviews and visits of a clip; return how many cameras' clips there are. Raises OSError."""
        with self._lock:
            same = [clip for clip in self._clips.values() if clip.clip_id == clip_id]
            for clip in same:
                linked = clip.linked(review_ids, visit_ids)
                _write_note(linked)
                self._clips[clip_id, clip.camera_id] = linked
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
        return tuple(clip for clip in self.clips() if review_id in clip.review_ids)

    def of_visit(self, visit_id: str) -> tuple[Clip, ...]:
        """Return a visit's clips."""
        return tuple(clip for clip in self.clips() if visit_id in clip.visit_ids)

    def delete_visit(self, visit_id: str) -> int:
        """Delete a visit's clips, also those that are of other visits, too; return how many. Raises OSError."""
        return self._delete(self.of_visit(visit_id))

    def delete_older(self, than_ns: int) -> int:
        """Delete clips whose interval ended before ``than_ns``; return how many. Raises OSError."""
        return self._delete([clip for clip in self.clips() if clip.to_ns < than_ns])

    def delete_oldest(self, open_reviews: Collection[str] | None) -> bool:
        """Delete the oldest clip of which no review is open, and tell whether there was one. Raises OSError.

        None says that nobody knows which are open: then only clips that no review ever asked for are deleted.
        """
        for clip in self.clips():
            asked = set(clip.review_ids)
            if not asked or (open_reviews is not None and asked.isdisjoint(open_reviews)):
                return self._delete([clip]) == 1
        return False

    @property
    def size_bytes(self) -> int:
        """What all clips take."""
        with self._lock:
            return sum(clip.size_bytes for clip in self._clips.values())

    def _delete(self, clips: Iterable[Clip]) -> int:
        count = 0
        with self._lock:
            for clip in clips:
                if self._clips.pop((clip.clip_id, clip.camera_id), None) is not None:
                    clip.path.with_suffix(".json").unlink(missing_ok=True)
                    clip.path.unlink(missing_ok=True)
                    _remove_if_empty(clip.path.parent)
                    count += 1
        return count


def _age(clip: Clip) -> tuple[int, str, str]:
    return clip.to_ns, clip.clip_id, clip.camera_id


def _joined(known: Iterable[str], more: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*known, *more]))


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
        clips = {path.with_suffix(".mp4"): _read_clip(folder, path) for path in sorted(place.glob("*.json"))}
        for path, clip in clips.items():
            if clip is None or not path.is_file():
                path.with_suffix(".json").unlink()
            else:
                yield clip
        for path in place.glob("*.mp4"):
            if clips.get(path) is None:
                path.unlink()
        _remove_if_empty(place)


def _read_clip(folder: Path, note: Path) -> Clip | None:
    """Return the clip that a note is of; None for a note that is damaged, or of another clip than it lies beside."""
    try:
        clip = Clip.of(folder, ClipNote.model_validate_json(note.read_bytes()))
    except ValidationError:
        return None
    return clip if clip.path == note.with_suffix(".mp4") else None


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
