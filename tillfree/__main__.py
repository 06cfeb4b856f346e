"""`python -m tillfree` is `tillfree`."""

from tillfree.main import run

run()
