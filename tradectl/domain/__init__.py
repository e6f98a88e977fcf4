"""Frozen facts and their arithmetic. No I/O, no clock reads, no randomness: values in, values out."""
