"""Billing's tables and what is read from and written to them; nothing outside knows SQLAlchemy."""
