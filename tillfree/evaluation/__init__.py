"""How right a run was: the scores of the project, defined once and used everywhere."""
