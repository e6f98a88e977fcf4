"""The stake of every knob, once: which way is looser, and what a change means. Read by `config diff`.

A table of its own, so that a start that compares nothing does not load the sentences. A test holds that no knob is
missing: there is no default, for "no risk" is a thing to be said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tradectl.config.stake import NO_RISK, Stake, down, less_is_looser, more_is_looser, neither, ordered, switch, up

_SIMULATED = "of the simulated exchange only; "
_PACE = "a faster pace is nearer to the venue's ban, a slower one is later with stops and reads"

STAKES: Final[Mapping[str, Stake]] = {
    "account": neither(
        "keys, books and counters are those of account {b} instead of {a}: a halt of the old one is not seen"
    ),
    "state.path": neither(
        "books and counters are in {b} instead of {a}: a halt, a streak or a peak in the old one is not seen"
    ),
    # How often it looks.
    "engine.cycle_seconds": neither("it decides every {b} instead of {a}: entries and exits come at other times"),
    "engine.protection_seconds": up("a missing stop is found after {b} instead of {a} at the latest"),
    "engine.reconcile_seconds": up("books and venue may disagree unseen for {b} instead of {a}"),
    "engine.closed_trades_seconds": up("a loss filled at the venue may be missing in the counters for {b}, not {a}"),
    "engine.fetch_concurrency": NO_RISK,
    # The venue.
    "venue.name": neither("it trades on {b} instead of {a}: other rules, costs and money"),
    "venue.base_url": neither("requests go to {b} instead of {a}", none="the venue's own address"),
    "venue.recv_window_ms": up("an order may be taken for {b} after it was sent instead of {a}, past a fence"),
    "venue.max_clock_skew_ms": up("entries are made with a clock that is up to {b} wrong instead of {a}"),
    "venue.cancel_all_after_seconds": neither(
        "the venue cancels every order, stops among them, after a silence of: {b} instead of {a}", none="never"
    ),
    "venue.rate.per_minute": neither("request weight of {b} a minute instead of {a}: " + _PACE),
    "venue.rate.burst": neither("request weight of {b} at once instead of {a}: " + _PACE),
    # The set-up of trading.
    "perps.enabled": switch(looser=True, on="entries are placed", off="no entries are placed; it still protects"),
    "perps.use_testnet": switch(looser=False, on="the keys are a testnet's", off="the keys are live: real money"),
    "perps.symbol": neither("{b} is traded instead of {a}"),
    "perps.interval": neither("signals come from candles of {b} instead of {a}"),
    "perps.position_idx": neither("orders are for position side {b} instead of {a} (0 one-way, 1 and 2 hedge)"),
    "perps.margin_mode": ordered(
        "isolated", "cross", says="a position is backed by {b} margin instead of {a}: cross is the whole account"
    ),
    "perps.leverage": up("leverage {b} instead of {a}: margin caps let through as much more, liquidation is nearer"),
    "perps.risk_pct": up("each trade may lose {b} of equity instead of {a}"),
    "perps.stop_loss_pct": neither(
        "a stop is {b} from the entry instead of {a}: a wider one is a smaller size, but a larger loss where a cap "
        "sets the size"
    ),
    "perps.take_profit_pct": neither("a target is {b} from the entry instead of {a}"),
    "perps.cash_deploy_cap": up("one trade's notional may be {b} of equity instead of {a}"),
    "perps.trigger_by": neither("stops and targets are triggered by {b} instead of {a}"),
    "perps.fast_period": neither("the fast average is over {b} instead of {a}: other signals"),
    "perps.slow_period": neither("the slow average is over {b} instead of {a}: other signals"),
    "perps.early_exit_on_cross": switch(
        looser=False, on="a position is also left when the averages cross back", off="a crossing back ends no position"
    ),
    "perps.consecutive_loss_limit": up("losing trades in a row that end entries: {b} instead of {a}", absent="loosest"),
    "perps.consecutive_loss_cooldown_hours": down(
        "a losing streak ends by itself after: {b} instead of {a}", absent="tightest", none="never"
    ),
    "perps.max_margin_ratio": up("entries go on up to a margin ratio of {b} instead of {a} (100% is liquidation)"),
    "perps.max_requests_per_second": neither("{b} requests a second instead of {a}: " + _PACE),
    "perps.max_requests_per_minute": neither("{b} requests a minute instead of {a}: " + _PACE),
    "perps.session_max_trades": up("entries in one session: {b} instead of {a}", absent="loosest"),
    "perps.session_max_runtime_minutes": up("entries end after a session of: {b} instead of {a}", absent="loosest"),
    "perps.use_multi_tf_atr_strategy": neither("strategy mtf_atr: {b} instead of {a}; other signals, other stops"),
    "perps.mtf_atr.trend_interval": neither("the trend is read on candles of {b} instead of {a}"),
    "perps.mtf_atr.trend_ema_period": neither("the trend's average is over {b} instead of {a}"),
    "perps.mtf_atr.entry_ema_period": neither("the entry's average is over {b} instead of {a}"),
    "perps.mtf_atr.atr_period": neither("the average true range is over {b} instead of {a}"),
    "perps.mtf_atr.stop_atr_multiple": neither(
        "a stop is {b} ATRs from the entry instead of {a}; a wider one is a smaller size"
    ),
    "perps.mtf_atr.target_atr_multiple": neither("a target is {b} ATRs from the entry instead of {a}"),
    # Limits before a trade.
    "trading.max_daily_risk": up("a day may lose {b} of its first equity instead of {a}"),
    "risk_management.crisis_mode.drawdown_threshold": up("entries end {b} below the peak equity instead of {a}"),
    "risk_management.crisis_mode.volatility_multiplier": up(
        "entries go on up to {b} times the usual volatility instead of {a}"
    ),
    "risk_management.crisis_mode.atr_period": neither("volatility is measured over {b} instead of {a}"),
    "risk_management.crisis_mode.lookback_bars": neither("the usual volatility is that of {b} instead of {a}"),
    "risk.auction_max_margin_util": up("all margin after an entry may be {b} of equity instead of {a}"),
    "risk.max_single_position_margin_pct_equity": up("one position's margin may be {b} of equity instead of {a}"),
    "risk.max_aggregate_margin_pct_equity": up("all positions' margin may be {b} of equity instead of {a}"),
    "risk.max_exposure_pct": up("all positions' notional may be {b} of equity instead of {a}"),
    "risk.max_concurrent_positions": up("{b} positions may be open at one time instead of {a}"),
    "risk.min_notional_viable": down("trades from a notional of {b} are made instead of {a}"),
    "risk.max_leverage": up("leverage is {b} at most instead of {a}, whatever perps.leverage says"),
    "risk.max_leverage_by_tier": up(
        "leverage in a market of tier {name} is at most: {b} instead of {a}",
        absent="loosest",
        none="no own limit",
    ),
    "risk.size_by_tier.a": up("a market of tier A gets {b} of the size instead of {a}"),
    "risk.size_by_tier.b": up("a market of tier B gets {b} of the size instead of {a}"),
    "risk.size_by_tier.c": up("a market of tier C, or of unknown volume, gets {b} of the size instead of {a}"),
    "risk.max_volume_share": up("a position may be {b} of what its market trades in 24 h instead of {a}"),
    "risk.max_position_usd": up("one position's margin is at most: {b} instead of {a}", absent="loosest"),
    "risk.min_position_usd": down("one position's margin is at least: {b} instead of {a}", absent="loosest"),
    "risk.confidence.floor": down("signals from a confidence of {b} are traded instead of {a}"),
    "risk.confidence.high": down("the larger size begins at a confidence of {b} instead of {a}"),
    "risk.confidence.high_scale": up("a confident signal gets {b} times the size instead of {a}"),
    "risk.confidence.low": down("the smaller size is for a confidence below {b} instead of {a}"),
    "risk.confidence.low_scale": up("a doubtful signal gets {b} times the size instead of {a}"),
    "risk.signal_cooldown_hours": down("a symbol rests for {b} after a signal instead of {a}"),
    "risk.partial_close_cooldown_seconds": down("no entries for {b} after a partial close instead of {a}"),
    # Exits.
    "exits.targets": neither("targets are {b} instead of {a}", none="one at perps.takeProfitPct"),
    "exits.break_even_after_tp1": switch(
        looser=False,
        on="after the first of several targets the stop moves to the entry",
        off="after the first of several targets the stop stays where it is",
    ),
    "exits.trailing_activation_atr_min": up("ATR, of price, from which a stop trails: {b} instead of {a}", off=True),
    "exits.trailing_atr_multiple": up("a trailing stop follows {b} ATRs behind instead of {a}"),
    # What halts.
    "safety.max_margin_utilization_pct": up("trading halts at a margin utilisation of {b} instead of {a}"),
    "safety.degraded_margin_utilization_pct": up("entries end at a margin utilisation of {b} instead of {a}"),
    "safety.max_single_position_pct_equity": up("one position's margin is a finding above {b} of equity, not {a}"),
    "safety.max_equity_drawdown_pct": up("trading halts {b} below the peak equity instead of {a}"),
    "safety.degraded_equity_drawdown_pct": up("the state is degraded {b} below the peak equity instead of {a}"),
    "safety.max_concurrent_positions": up("trading halts above {b} positions instead of {a}"),
    "safety.max_equity_jump_pct": up("an unexplained move of equity is borne up to {b} instead of {a}"),
    "safety.max_data_age_seconds": up("entries are made on data up to {b} old instead of {a}"),
    "safety.protection.grace_seconds": up("an unprotected position is no emergency for {b} after start, not {a}"),
    "safety.protection.strikes": up("a stop may be refused in {b} passes in a row until the emergency instead of {a}"),
    "safety.protection.on_unprotectable": ordered(
        "close", "halt", says="a position that cannot be given a stop: {b} instead of {a}; a halt leaves it open"
    ),
    "safety.protection.unexplained": ordered(
        "protect", "report", says="a position that nothing explains: {b} instead of {a}; a report places no stop"
    ),
    "safety.auto_recovery.reasons": more_is_looser(
        "a halt for {name} may clear itself", "a halt for {name} waits for a person"
    ),
    "safety.auto_recovery.after_seconds": down("a halt may clear itself after {b} instead of {a}"),
    "safety.auto_recovery.below_margin_utilization_pct": up(
        "a halt may clear itself below a margin utilisation of {b} instead of {a}"
    ),
    "safety.auto_recovery.max_per_day": up("halts may clear themselves {b} times in 24 hours instead of {a}"),
    "ess.enabled": switch(
        looser=False, on="the emergency stop is armed", off="there is no emergency stop: no loss or error trips it"
    ),
    "ess.max_daily_drawdown_pct": up("the emergency stop trips at a day's loss of {b} instead of {a}"),
    "ess.max_open_loss_pct": up("the emergency stop trips at an open loss of {b} of equity instead of {a}"),
    "ess.max_execution_errors": up("the emergency stop trips at {b} errors in a row instead of {a}"),
    "ess.cooldown_minutes": down("a tripped emergency stop may be re-armed after {b} instead of {a}"),
    "ess.allow_manual_reset": switch(
        looser=True,
        on="an operator may re-arm the emergency stop",
        off="a tripped emergency stop stays until this configuration is changed",
    ),
    # The machine.
    "execution.read_backoff_seconds": neither("a failed read is tried again after {b} s instead of {a}: " + _PACE),
    "execution.symbol_spacing_ms": neither("two orders of one symbol are {b} apart instead of {a}: " + _PACE),
    "market.candidate_symbols": more_is_looser(
        "traded too: {name}; more markets can be open at one time",
        "no longer traded: {name}; a position there is still protected",
        reordered="the same markets in another order: the first ones get the margin first",
    ),
    "market.pinned": more_is_looser(
        "always of tier A, whatever is traded: {name}", "its tier goes by what is traded: {name}"
    ),
    "market.refresh_hours": neither("markets are looked up every {b} instead of {a}"),
    "market.shrink_floor": down("a list of markets that shrinks to {b} of the last is believed instead of {a}"),
    "market.max_spread_pct": up("entries are made up to a spread of {b} instead of {a}"),
    # A volume that is not known counts as the floor of its tier, so that these two cut both ways.
    "market.tiers.a_min_volume_usd": neither(
        "tier A begins at a 24 h volume of {b} instead of {a}; of a pinned market whose volume is unknown it is the "
        "volume reckoned with"
    ),
    "market.tiers.b_min_volume_usd": down("tier B, with its larger size, begins at a 24 h volume of {b}, not {a}"),
    "market.tiers.c_min_volume_usd": neither(
        "markets are entered from a 24 h volume of {b} instead of {a}; where it is unknown, it is the volume reckoned "
        "with"
    ),
    "alerts.per_type_seconds": neither("a repeated alert is held back for {b} instead of {a}"),
    "alerts.urgent": less_is_looser("never held back: {name}", "may be held back: {name}"),
    "policy.profile": ordered(
        "DEFENSIVE", "NORMAL", "AGGRESSIVE", says="limits of profile {b} instead of {a}, where no stricter one holds"
    ),
    "policy.refresh_seconds": NO_RISK,  # a version that an operator sets is seen in the next cycle, whatever this says
    "live_limited.max_position_pct": up("in live_limited a position's notional may be {b} of equity instead of {a}"),
    "live_limited.max_daily_loss_pct": up("in live_limited a day may lose {b} of its first equity instead of {a}"),
    "live_limited.max_positions": up("in live_limited {b} positions may be open at one time instead of {a}"),
    # The simulated exchange.
    "sim.source": neither(_SIMULATED + "prices are {b} instead of {a}"),
    "sim.seed": NO_RISK,
    "sim.start_balance": neither(_SIMULATED + "it begins with {b} instead of {a}"),
    "sim.maker_fee": neither(_SIMULATED + "a resting fill costs {b} instead of {a}"),
    "sim.taker_fee": neither(_SIMULATED + "a market or stop fill costs {b} instead of {a}; sizing reckons with it"),
    "sim.slippage_bps": neither(_SIMULATED + "fills are {b} worse instead of {a}; sizing reckons with it"),
    "sim.funding_rate": neither(_SIMULATED + "longs pay {b} every 8 hours instead of {a}"),
    "sim.instruments": neither(_SIMULATED + "the contract {name} is another", none="not declared"),
    "sim.clock": neither(_SIMULATED + "its time is moved by {b} instead of {a}"),
    # What is written and what is overlooked.
    "log.path": NO_RISK,
    "log.level": NO_RISK,
    "log.format": NO_RISK,
    "accept": more_is_looser("a fault of rule {name} is accepted: it stops nothing", "a fault of rule {name} counts"),
}
