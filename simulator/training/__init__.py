"""Training pictures of random stores, made by the renderer, with boxes of people and hands."""
