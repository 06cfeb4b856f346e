"""Who may sign in, as what, and what managers do about it; and everybody's own account."""
