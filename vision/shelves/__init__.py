"""Shelves: what each slot looks like, what changed in it, and whose hand did it."""

from vision.shelves.finder import InteractionFinder
from vision.shelves.observer import ShelfObserver
from vision.shelves.references import References, load_references
from vision.shelves.settings import ShelvesSettings

__all__ = ["InteractionFinder", "References", "ShelfObserver", "ShelvesSettings", "load_references"]
