"""An entry has its way out before it has a size at the venue: the stop on the right side and inside liquidation
(promise 5). Risk and reward are in the verdict's context.
"""

from __future__ import annotations

from decimal import Decimal

from tradectl.domain.money import ZERO, divide, text
from tradectl.domain.signal import Verdict
from tradectl.risk.context import SymbolContext
from tradectl.risk.exits import ExitPlan, liquidation_price
from tradectl.risk.terms import Terms


def check(ctx: SymbolContext, terms: Terms, plan: ExitPlan, qty: Decimal) -> Verdict:
    liquidation = liquidation_price(ctx.instrument, terms, qty)
    sign = terms.side.sign
    room = (plan.stop - liquidation) * sign
    risk = (terms.reference - plan.stop) * sign
    reward = (plan.target - terms.reference) * sign if plan.target is not None else None
    ratio = divide(reward, risk) if reward is not None and risk > 0 else None
    facts = (
        ("symbol", ctx.symbol),
        ("entry", text(terms.reference)),
        ("stop", text(plan.stop)),
        ("target", text(plan.target) if plan.target is not None else "none"),
        ("liquidation", f"{liquidation:.8g}"),
        ("risk_reward", f"{ratio:.2f}" if ratio is not None else "none"),
    )
    why = ""
    if risk <= 0 or plan.stop <= 0:
        why = f"stop {text(plan.stop)} is on the wrong side of the entry {text(terms.reference)}"
    elif (terms.nearest - plan.stop) * sign <= 0:
        why = f"stop {text(plan.stop)} lies within the quoted prices ({text(terms.nearest)}): it would fire at once"
    elif reward is not None and plan.target is not None and reward <= 0:
        why = f"target {text(plan.target)} is on the wrong side of the entry {text(terms.reference)}"
    elif liquidation > ZERO and room <= 0:
        why = f"stop {text(plan.stop)} lies beyond liquidation at {liquidation:.8g}: it would protect nothing"
    if why:
        return Verdict("exit_plan", False, why, plan.stop, liquidation, room, "price", context=facts)
    shown = f", risk/reward 1:{ratio:.2f}" if ratio is not None else ""
    sentence = f"stop {text(plan.stop)} inside liquidation at {liquidation:.8g}{shown}"
    return Verdict("exit_plan", True, sentence, plan.stop, liquidation, room, "price", context=facts)
