"""The one place that asks the system what time it is, for services that run: everything else is told."""

from __future__ import annotations

import time
from collections.abc import Callable


def system_clock() -> int:
    """Return the Unix time in nanoseconds."""
    return time.time_ns()  # noqa: TID251 - the clock adapter


def steady_clock() -> Callable[[], int]:
    """Return a clock of Unix nanoseconds that runs evenly on from now, whoever sets the system's clock meanwhile.

    For what is measured in order, such as the arrival of pictures. All parts of a process that compare times should
    share one clock: two of these, or one and the system's, differ by what was set between them.
    """
    ticks = time.monotonic_ns  # noqa: TID251 - the clock adapter
    began_ns = system_clock() - ticks()
    return lambda: began_ns + ticks()
