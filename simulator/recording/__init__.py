"""Renders a compiled scenario into a recording: videos, gate scans, layout and truth."""
