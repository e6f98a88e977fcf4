"""Between us and the venue: read the world once, act through one door, take in what happened."""
