"""A rendered store with exact truth. It knows nothing of vision."""
