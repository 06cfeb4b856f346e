"""The report of a run: one web page that needs nothing else, with pictures of every interaction."""
