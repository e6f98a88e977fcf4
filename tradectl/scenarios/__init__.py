"""Safety validation: worlds in which everything can go wrong, run through the real bot and the real commands."""
