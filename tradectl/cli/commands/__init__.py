"""A file per command, named like its operation: parse, call, print."""
