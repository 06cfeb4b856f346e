"""How the store's machine is, and opening and closing the store."""
