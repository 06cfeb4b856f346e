"""What can go wrong in the simulator.

InputError                a file that a user gives is missing, unreadable or wrong (exit code 2)
└── SimulatorError        the scene, its packaging or the machine does not let a picture be rendered
    └── NoDisplayError    OpenGL cannot be started
"""

from __future__ import annotations

from store_layout.errors import InputError


class SimulatorError(InputError):
    """The simulator cannot do what it was asked to. ``str()`` says why and how to mend it."""


class NoDisplayError(SimulatorError):
    """OpenGL (EGL) cannot be started on this machine."""
