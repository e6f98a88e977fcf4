"""Pure: a configuration → what its thresholds do to each other. No I/O, no clock, no store, no venue."""
