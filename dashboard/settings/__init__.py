"""What the store runs with, for people to read."""
