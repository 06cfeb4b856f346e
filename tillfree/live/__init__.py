"""A store's machine while it runs live: what it answers to its gates and operators."""
