"""Pure: what an account shows → what that means for trading. No I/O, no clock, no store."""
