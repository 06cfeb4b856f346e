"""The shell: command line, configuration, bootstrap, replay, evaluation, reports."""
