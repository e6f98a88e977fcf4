"""Whether the gates let a portfolio in that an invariant halts at once (`validate-config --prove`).

The claim is about books that are opened one entry after another while prices stand, from any drawdown that the gates
allow, whatever the signals' side, market, confidence and order; and then one adverse move of every market, one funding
payment, and what entering costs. Within it the answer is a proof; a counterexample is replayed by the caller.
"""

from __future__ import annotations

from decimal import Decimal

MOVE = Decimal("0.01")  # of the price, where nobody says another: more than a quiet hour brings, less than a stop
