"""A store that runs: cameras, gates and operators in real time, over the same pipeline as a replay."""
