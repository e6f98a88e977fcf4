"""A file per invariant. The table that runs them is safety/check.py."""
