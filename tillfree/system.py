"""The one place that asks the system what time it is, for services that run, and that has a say in their memory."""

from __future__ import annotations

import ctypes
import gc
import sys
import time
from collections.abc import Callable

_MANY = 50_000
"""New objects, less those gone, between two looks for garbage. Hardly anything here is left in rings, so that they find little."""

_M_ARENA_MAX = -8
"""The option's number in glibc's malloc.h."""
_ARENAS = 2
_M_MMAP_THRESHOLD = -3
_PICTURE_BYTES = 256 * 1024
"""What is as large as this, which pictures are and hardly anything else, has pages of its own that go back when it is freed.

Without being told, glibc takes pictures from the heap as soon as it has seen one freed, and leaves holes of their size between
what stays: 365 MiB of heap for 190 in use after six minutes of four cameras, 184 for 135 with this, at the same load.
"""


def system_clock() -> int:
    """Return the Unix time in nanoseconds."""
    return time.time_ns()  # noqa: TID251 - the clock adapter


def steady_clock() -> Callable[[], int]:
    """Return a clock of Unix nanoseconds that runs evenly on from now, whoever sets the system's clock meanwhile.

    For what is measured in order, such as the arrival of pictures. All parts of a process that compare times should
    share one clock: two of these, or one and the system's, differ by what was set between them.
    """
    return scaled_clock(1.0, 0, 0)


def scaled_clock(speed: float, system_ns: int, clock_ns: int) -> Callable[[], int]:
    """Return a steady clock that says ``clock_ns`` when the system's says ``system_ns``, and runs ``speed`` times as fast.

    For recordings that are played faster than they were made.
    """
    ticks = time.monotonic_ns  # noqa: TID251 - the clock adapter
    now_ns, tick_ns = system_clock(), ticks()
    begin_ns = clock_ns + round((now_ns - system_ns) * speed) if speed != 1.0 else clock_ns + now_ns - system_ns
    return lambda: begin_ns + round((ticks() - tick_ns) * speed)


def settle_memory() -> None:
    """Take what is there by now for what stays, so that nobody looks through it for garbage again, and look seldom.

    For programs that run for days, once all is loaded: a look through all of it stops every thread meanwhile.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_MANY, 20, 20)


def share_memory() -> None:
    """Have all threads that begin from now on share two heaps, without pictures, where the C library is glibc; elsewhere nothing happens.

    Else each thread has its own, up to eight a core, and what a decoder, an encoder and the engine hand to each other leaves
    holes in all of them, which grow for hours.
    """
    option = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if option is not None:
        option(_M_ARENA_MAX, _ARENAS)
        option(_M_MMAP_THRESHOLD, _PICTURE_BYTES)


def give_back_memory() -> None:
    """Give to the system what was freed and is only kept, where the C library is glibc; elsewhere nothing happens.

    glibc keeps for each thread what that thread has freed, in pieces that other threads cannot have: with decoders,
    encoders and the detector's threads a process grows by tens of MB more than it ever uses at a time. Takes some ms.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
