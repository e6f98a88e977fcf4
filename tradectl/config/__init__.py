"""Configuration: the schema that states every knob once, loading with the place of each value, and explaining."""
