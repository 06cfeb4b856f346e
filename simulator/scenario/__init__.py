"""Scripts of what shoppers do, compiled to scenes at any time and to their exact truth."""
