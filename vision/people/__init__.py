"""People on the floor, joined across cameras, with their hands in 3D."""

from vision.people.fusion import PeopleFusion
from vision.people.settings import PeopleSettings

__all__ = ["PeopleFusion", "PeopleSettings"]
