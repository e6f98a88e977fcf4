"""Market data on its way to the decision: instruments, candles and the feeds they come from."""
