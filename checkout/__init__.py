"""Visits and carts: interactions in, cart events, drafts and reviews out. Pure."""
