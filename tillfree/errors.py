"""Errors that a user can mend, and the exit codes that the command line answers with.

InputError                 something given to the program is wrong          exit 2
  (LayoutError, RecordingError, ... live beside what they speak of)
MissingExtra               a part of Tillfree that is not installed is needed exit 3
OutOfReach                 the network, or something on it, did not answer     exit 4
anything else              a mistake in Tillfree                               exit 1
Ctrl-C                     the run was broken off                              exit 130
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process answers; documented in docs/commands.md."""

    DONE = 0
    MISTAKE_IN_TILLFREE = 1
    BAD_INPUT = 2
    MISSING_EXTRA = 3
    OUT_OF_REACH = 4
    NOT_AS_EXPECTED = 5
    BROKEN_OFF = 130


class MissingExtra(Exception):
    """A command needs an optional part. The message names the pip command that brings it."""


class OutOfReach(Exception):
    """Something outside this machine was asked for and did not answer."""


class NotAsExpected(Exception):
    """A check that the user asked for came out wrong, such as a demo whose receipts differ."""
