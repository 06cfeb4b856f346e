"""What each slot seems to hold, what to bring, and what was sold when."""
