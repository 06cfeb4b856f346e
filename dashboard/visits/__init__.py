"""Visits and receipts: what the event log and billing say of them, searched, shown, and given back."""
