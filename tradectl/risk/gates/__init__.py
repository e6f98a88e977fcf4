"""One gate a file, one verdict a gate: id, pass or refuse, measured value, limit, headroom and one sentence."""
