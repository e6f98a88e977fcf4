"""tradectl: see, stop, protect, reconcile and restart a crypto perpetual-futures account."""

__version__ = "0.1.0"
