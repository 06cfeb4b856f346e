"""What can be wrong with a scenario.

InputError
└── SimulatorError
    └── ScenarioError   the file is wrong, or its script cannot be played in this store
"""

from __future__ import annotations

from simulator.errors import SimulatorError


class ScenarioError(SimulatorError):
    """A scenario cannot be read or played. ``str()`` says where, why and how to mend it."""
