"""Billing over HTTP: the only rooms of billing that know FastAPI."""
