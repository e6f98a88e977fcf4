"""Pure: a signal becomes admitted, then sized, or is refused with a sentence. A file per gate; no I/O, no clock."""
