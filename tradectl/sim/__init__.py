"""Our own exchange: matching, margin, funding, prices, and the file it lives in."""
