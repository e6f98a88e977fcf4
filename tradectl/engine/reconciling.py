"""Reconciliation as the bot does it: at start-up and every `engine.reconcile_seconds`, with the code of the command
`tradectl reconcile`, applying what is safe by itself. Each finding is said and alerted when it is new."""

from __future__ import annotations

from tradectl import logs
from tradectl.domain.finding import FINDING_KINDS, FindingKind, Severity
from tradectl.domain.snapshot import Snapshot
from tradectl.domain.tags import Tag
from tradectl.engine import telling
from tradectl.engine.bot import Bot
from tradectl.engine.emergency import import_emergency
from tradectl.engine.protecting import learn
from tradectl.execution.reconcile import Plan
from tradectl.execution.reconcile_apply import Reconciler, say
from tradectl.execution.reconcile_read import FirstLook, find

_log = logs.get("engine.reconciling")
_QUIET = (FindingKind.MATCHED, FindingKind.NAKED)  # naked ones are said by the protection pass


def due(bot: Bot) -> bool:
    last, now_ms = bot.memory.reconciled_ms, bot.clock.now_ms()
    return last is None or now_ms - last >= bot.config.engine.reconcile_seconds * 1000


async def reconcile(bot: Bot, picture: Snapshot) -> Plan:
    """Finds, says, and carries out what is safe, beginning with the picture that the cycle has.

    Raises VenueUnreachable when a source cannot be read.
    """
    import_emergency(bot)
    await learn(bot, picture)
    settled = picture.event_seq <= bot.memory.settled_seq  # every fill up to it is booked
    found = await find(
        bot.db,
        bot.venue,
        sides=bot.sides,
        report_only=not bot.protection.unexplained,
        first=FirstLook(picture, settled=settled),
        guard=bot.guard,
    )
    _say(bot, found)
    if found.actions:
        hands = Reconciler(bot.db, bot.venue, bot.clock, bot.door, bot.instruments, bot.protection, actor="bot")
        for done in await hands.apply(found):
            if done.failed:
                said = (
                    f"{done.action.kind.value} of {done.action.scope or 'the account'} did not succeed: {done.sentence}"
                )
                _log.emit(Tag.SAFETY_EXECUTION_ERROR, said, level=30)
    bot.memory.reconciled_ms = bot.clock.now_ms()
    return found


def _say(bot: Bot, found: Plan) -> None:
    now = frozenset(one.key for one in found.findings if one.kind not in _QUIET)
    for one in found.findings:
        if one.kind in _QUIET or one.key in bot.memory.findings:
            continue
        say(one)
        if one.severity >= Severity.PERSON and not one.blocks:
            tag = FINDING_KINDS[one.kind].tag or Tag.SAFETY_RECON_BLOCK
            telling.alert(bot, tag.value.lower(), one.symbol, one.evidence, {"symbol": one.symbol})
    bot.memory.findings = now
