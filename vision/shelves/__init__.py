"""Shelves: slots cut out of frames, what changed in them, and whose hand it was."""

from vision.shelves.finder import InteractionFinder
from vision.shelves.observer import ShelfObserver

__all__ = ["InteractionFinder", "ShelfObserver"]
