"""The names that gates and invariants speak of an account in: one meaning each, so that one definition of a limit
serves the bot, its pages and its proof. Money in quote currency.

`entry_…` are of the one entry that is being judged; everything else is of the account, with that entry held where the
limit is on the account after the trade.
"""

from __future__ import annotations

from tradectl.domain.inequality import quantity

EQUITY = quantity("equity")  # wallet + unrealised; after the trade: less what entering can cost at once
PEAK_EQUITY = quantity("peak_equity")
DAY_START_EQUITY = quantity("day_start_equity")
DAY_LOSS = quantity("day_loss")  # the worse of realised and total, never negative
POSITIONS = quantity("positions")  # symbols that hold, or may come to hold, a position
INITIAL_MARGIN = quantity("initial_margin")  # of positions and open orders
POSITIONS_MARGIN = quantity("positions_margin")  # initial margin of positions alone
LARGEST_MARGIN = quantity("largest_position_margin")
MAINTENANCE_MARGIN = quantity("maintenance_margin")
NOTIONAL = quantity("notional")  # held, resting in orders that could add to it, sent or unknown
AVAILABLE = quantity("available")  # what the venue would still take as margin before the trade
AVAILABLE_USED = quantity("available_used")  # of it, by entries on their way and this one, fees included
ENTRY_NOTIONAL = quantity("entry_notional")
ENTRY_MARGIN = quantity("entry_margin")
ENTRY_RISK = quantity("entry_risk")  # quantity × distance from the expected price to the stop
SCALED_EQUITY = quantity("scaled_equity")  # equity before the trade, scaled by the signal's confidence and the tier
ENTRY_LOSS = quantity("entry_loss")  # loss at the stop, fees and slippage included
PENDING_LOSS = quantity("pending_loss")  # the same of the entries sent and not yet in the books
TRADED = quantity("traded_24h")  # turnover of the market in 24 hours
TIER_NOTIONAL = quantity("tier_notional")  # the largest notional that the instrument's tiers allow at this leverage
UNEXPLAINED_MOVE = quantity("unexplained_move")  # of equity, by what neither fills, transfers nor marks account for
