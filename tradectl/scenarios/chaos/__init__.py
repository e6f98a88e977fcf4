"""Random worlds: the real bot and the real commands under seeded faults, watched by a checker that stands outside."""
