"""The files of a recording: videos, gate scans and truth. Data only."""
