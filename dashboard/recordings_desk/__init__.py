"""Recordings at the desk: what really happened in them, labelled by people, and the pages that show both."""
