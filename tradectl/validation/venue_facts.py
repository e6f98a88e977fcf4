"""What is known of each venue without asking it, with the date it was settled. What is None is not known here.

Only what was read in the venue's public documentation or in the trading library's source stands here; fees, leverage
tiers and order limits differ by account and change, and are asked of the venue where one is connected.
"""

from __future__ import annotations

from dataclasses import dataclass

from tradectl.domain.candle import INTERVALS_MS

AS_OF = "2026-07-31"


@dataclass(frozen=True, slots=True)
class VenueFacts:
    """requests_per_second, requests_per_minute: what the venue, or the library's own limiter for it, lets through.

    account_reads: requests that one look at account, positions and every kind of open order costs.
    conditional_orders: open stop and take-profit orders per account; 0 is no limit.
    keeps_stops: whether stops survive the venue's own cancel-all-after.
    """

    name: str
    account_reads: int
    intervals: frozenset[str] | None = None
    requests_per_second: int | None = None
    requests_per_minute: int | None = None
    conditional_orders: int | None = None
    keeps_stops: bool | None = None


VENUES: dict[str, VenueFacts] = {
    one.name: one
    for one in (
        # One read of our own exchange is one snapshot of everything; it limits nobody, and cancels nothing by itself.
        VenueFacts(
            "sim", account_reads=1, intervals=frozenset(INTERVALS_MS), conditional_orders=0, keeps_stops=True,
        ),
        # Balance, positions, open orders, and conditional orders on an endpoint of their own. 50 ms per weight.
        VenueFacts(
            "binanceusdm",
            account_reads=4,
            intervals=frozenset("1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d".split()),
            requests_per_second=20,
            requests_per_minute=1200,
        ),
        # Open orders of every kind come in one list. 20 ms per unit of cost.
        VenueFacts(
            "bybit",
            account_reads=3,
            intervals=frozenset("1m 3m 5m 15m 30m 1h 2h 4h 6h 12h 1d".split()),
            requests_per_second=50,
            requests_per_minute=3000,
        ),
        # 10 requests a second and user on each trade endpoint; 10 active conditional orders per account.
        VenueFacts(
            "zoomex",
            account_reads=3,
            intervals=frozenset("1m 3m 5m 15m 30m 1h 2h 4h 6h 12h 1d".split()),
            requests_per_second=10,
            requests_per_minute=600,
            conditional_orders=10,
        ),
        # 600 ms per unit of cost.
        VenueFacts(
            "krakenfutures",
            account_reads=3,
            intervals=frozenset("1m 5m 15m 30m 1h 4h 12h 1d".split()),
            requests_per_minute=100,
        ),
    )
}  # fmt: skip
