"""Every rule, in one table. How to add one: a check in the file of its subject, a line here, two rows in its test, and
`runbooks/config-rules.md` written anew (its first lines say how)."""

from __future__ import annotations

from tradectl.validation import daily, exits, margin, modes, pace, session, sizing, stops, thresholds
from tradectl.validation.rule import Rule, Severity

E, W = Severity.ERROR, Severity.WARNING

RULES: dict[str, Rule] = {
    rule.id: rule
    for rule in (
        Rule(
            "TC01", "margin budget < margin halt < 1", E,
            "It happened: entries could use 90%, the monitor halted at 85%. Every full book tripped the kill switch, "
            "which in that system cancelled fresh stops.",
            "Lower `risk.auction_max_margin_util`; raise the halt only if you know why it was where it was.",
            margin.tc01,
        ),
        Rule(
            "TC02", "margin degraded ≤ margin budget", W,
            "The warning has to come before the ceiling, or it says nothing.",
            "Lower `safety.degraded_margin_utilization_pct` to the budget or below.",
            margin.tc02,
        ),
        Rule(
            "TC03", "room between the caps and the margin halt for a move of the market", E,
            "A book that fills its caps must survive an ordinary move. The largest book that all caps together let "
            "through is reckoned with constant margin and with margin at the mark, long and short, one funding "
            "payment and the fee of leaving taken off. Under 2% of equity is a warning, under 0.5% an error.",
            "Lower the cap that the arithmetic names first.",
            margin.tc03,
        ),
        Rule(
            "TC04", "degraded < halt, in every pair", E,
            "A halt without the state before it comes as a surprise.",
            "Lower the degraded threshold of the pair.",
            thresholds.tc04,
        ),
        Rule(
            "TC05", "every halting invariant has a gate before the trade that keeps within it", E,
            "A check after the trade without a gate before it opens positions that it then calls violations. Degraded "
            "states are meant to be reached, and are a note.",
            "Lower the gate's knob to the invariant's.",
            thresholds.tc05,
        ),
        Rule(
            "TC06", "all stops at once lose no more than the day may", W,
            "Markets fall together: the worst case is every stop in the same minute.",
            "Fewer positions, less risk per trade, or a daily limit that is meant.",
            daily.tc06,
        ),
        Rule(
            "TC07", "streak, daily limit and drawdown: each can trip", W,
            "A limit that another one always forestalls guards nothing. Which trips first is said as a note.",
            "Lower the one that can never trip.",
            daily.tc07,
        ),
        Rule(
            "TC08", "the stop lies inside liquidation", E,
            "A stop beyond liquidation protects nothing: the venue closes the position before it, and charges for it.",
            "A nearer stop, or less leverage.",
            stops.tc08,
        ),
        Rule(
            "TC09", "the target pays for its fees, and at least what the stop costs", E,
            "A win that fees eat is a loss; a risk/reward below 1 needs more wins than losses.",
            "A farther target, or a nearer stop.",
            exits.tc09,
        ),
        Rule(
            "TC10", "the risk per trade can be reached", W,
            "Where a cap always cuts the size, the risk that is written is not the risk that is taken.",
            "Write the risk that is taken, or raise the cap that binds.",
            sizing.tc10,
        ),
        Rule(
            "TC11", "risk per trade within its maximum; profiles in order", E,
            "One system had a base risk of 10% per trade over a maximum of 5%. Fields of a profile that a stricter "
            "limit makes inert are a note.",
            "Lower `perps.riskPct`.",
            sizing.tc11,
        ),
        Rule(
            "TC12", "the margin halt can be reached", W,
            "Single margin × count, margin in sum, exposure and leverage: the strictest ends a book. A halt beyond "
            "what can be reached is a second line only (a note at its default, a warning where it was set).",
            "Set the halt within reach, or leave it at its default.",
            margin.tc12,
        ),
        Rule(
            "TC13", "request pace: consistent, within the venue's limits, enough for the symbols", E,
            "Too fast is a ban in the middle of the night; too slow is a bot that is always late.",
            "Change the pace, the cycle, or the number of symbols.",
            pace.tc13,
        ),
        Rule(
            "TC14", "protection grace ≥ one full cycle with reconciliation", E,
            "It happened: cycles of 116 to 124 s against a grace of 90 s made emergencies of positions that were fine.",
            "A longer grace, a faster pace, or fewer symbols.",
            pace.tc14,
        ),
        Rule(
            "TC15", "auto-recovery below the halt, with hysteresis and a cooldown", E,
            "A halt that clears itself where it trips again goes on and off all night.",
            "Lower the level of recovery, or lengthen its wait.",
            pace.tc15,
        ),
        Rule(
            "TC16", "daily limits in order: live_limited ≤ profile and configuration < emergency stop", E,
            "The gate that refuses entries comes first, the stop that halts comes last. At equal values both fire "
            "together, which is a note.",
            "Put them in order.",
            daily.tc16,
        ),
        Rule(
            "TC17", "drawdown: gate ≤ degraded < halt", E,
            "Entries end first, then the state is degraded, then a person is needed.",
            "Put the three in order.",
            thresholds.tc17,
        ),
        Rule(
            "TC18", "session and interval fit; the venue has candles of the interval", E,
            "A session shorter than a candle never decides anything.",
            "A longer session or a shorter interval.",
            session.tc18,
        ),
        Rule(
            "TC19", "testnet, live and loopback are not mixed", E,
            "The wrong account is the dearest mistake there is.",
            "Say `perps.useTestnet` as the mode demands; remove `venue.baseUrl`.",
            modes.tc19,
        ),
        Rule(
            "TC20", "leverage within the instrument's tier at the largest position", W,
            "The venue refuses the order, or the size is cut to the tier.",
            "Less leverage.",
            sizing.tc20,
        ),
        Rule(
            "TC21", "no dead-man switch that removes stops", E,
            "Cancel-all-after removes the stops just when the bot is dead and nobody else is there.",
            "Leave it off, unless the venue is known to keep stops.",
            stops.tc21,
        ),
        Rule(
            "TC22", "what sizing yields can be traded", E,
            "A small account that can never trade should be told, instead of refusing each signal.",
            "More equity, a market with smaller orders, or more risk per trade.",
            sizing.tc22,
        ),
        Rule(
            "TC23", "cooldowns not shorter than a candle; cycle not longer", E,
            "A cooldown that is over before the next decision does nothing; a cycle longer than a candle misses some.",
            "Lengthen the cooldown or set it to 0; shorten the cycle.",
            session.tc23,
        ),
        Rule(
            "TC24", "in live modes, somebody can be told", W,
            "An alert that only the log holds wakes nobody.",
            "Set `ALERT_WEBHOOK_URL`, or `TELEGRAM_BOT_TOKEN` with `TELEGRAM_CHAT_ID`, in the environment.",
            modes.tc24,
        ),
        Rule(
            "TC25", "the venue takes as many conditional orders as a full book needs", E,
            "The stop that does not fit any more is the one that was needed.",
            "Fewer positions or fewer targets.",
            stops.tc25,
        ),
        Rule(
            "TC26", "margin ratio gate: reachable only in trouble, and before liquidation", E,
            "At a ratio of 1 the venue liquidates; a gate close to it closes too late.",
            "Lower `perps.maxMarginRatio`.",
            margin.tc26,
        ),
    )
}  # fmt: skip
