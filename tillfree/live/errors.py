"""What can go wrong at a store's machine while it runs live.

LiveError
├── NodeFull         more waits for the engine than the inbox keeps
├── NodeStopped      the inbox is closed, or its file cannot be written
├── UnknownGate      a gate that the store does not have
├── UnknownReview    a review that is not open
├── ReviewAnswered   a review that has another answer, which the engine has not taken yet
├── AnswerRefused    an answer that cannot be carried out
├── ScanReused       one scan id, two scans
├── BooksAway        billing gave no answer in time
├── FeedBroken       a camera's stream cannot be had, or no longer
├── PictureDamaged   a piece of a camera's stream that gives no picture
├── PartDied         a part of the running store has ended and cannot be started anew
└── ClipFailed       a clip of evidence that cannot be made
"""

from __future__ import annotations


class LiveError(Exception):
    """Anything that a store's machine refuses to do, or cannot do now."""


class NodeFull(LiveError):
    """More inputs wait for the engine than the inbox keeps."""


class NodeStopped(LiveError):
    """The inbox is closed, or its file cannot be written: nothing can be taken in."""


class UnknownGate(LiveError, LookupError):
    """A gate that the store does not have."""


class UnknownReview(LiveError, LookupError):
    """A review that is not open, or no longer."""


class ReviewAnswered(LiveError):
    """A review that somebody else has answered in another way a moment ago."""


class AnswerRefused(LiveError, ValueError):
    """An answer that names what is not there, or that is no answer."""


class ScanReused(LiveError):
    """A scan id that came with another scan before."""


class BooksAway(LiveError):
    """Billing was asked whether somebody would be served, and gave no answer in time."""


class FeedBroken(LiveError):
    """A camera's stream cannot be had, or no longer; it is asked for again. The words hold no URL and no password."""


class PictureDamaged(LiveError):
    """A piece of a camera's stream that gives no picture. What follows may."""


class PartDied(LiveError):
    """A part of the running store has ended by itself: the process ends, too, and is to be started again."""


class ClipFailed(LiveError):
    """A clip of evidence cannot be made: its video is not there, cannot be decoded, or the disk does not take it."""
