"""Questions to operators: a queue that several share, answers that can be taken back, and examples of what was answered."""
