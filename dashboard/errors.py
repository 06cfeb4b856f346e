"""What may go wrong at the dashboard's own door."""

from __future__ import annotations


class DashboardError(Exception):
    """Something that the dashboard will not do."""


class SignInNeeded(DashboardError):
    """A page for somebody who is signed in."""


class NotAllowed(DashboardError):
    """A page, or a command, for another role."""


class FormExpired(DashboardError):
    """A form that none of our pages made for who sends it."""


class TooOften(DashboardError):
    """Too many tries. ``wait_s`` is how long to wait."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"try again in {wait_s:.0f} s")
        self.wait_s = wait_s


class NotFound(DashboardError):
    """Something that is not there, or no longer."""


class InConflict(DashboardError):
    """A command that somebody else was before."""


class Refused(DashboardError):
    """A command that cannot be carried out."""


class Unavailable(DashboardError):
    """A command that cannot be taken now, and may be later."""
