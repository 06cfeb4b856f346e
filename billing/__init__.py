"""Prices, tax, receipts, charges."""
