"""A symbol as people type it (btc, BTC/USDT, btc-usdt, BTCUSDT) to the one the store knows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from tradectl.errors import UsageError

_KINDS = ("-PERP", "_PERP", "/PERP", ".P", "-SWAP", "_SWAP")  # how charts and exchanges mark a perpetual


def spelled(typed: str) -> str:
    """Our own spelling of what was typed: letters and digits only, upper case, without what marks a perpetual."""
    head = typed.strip().upper().partition(":")[0]
    for kind in _KINDS:
        head = head.removesuffix(kind)
    return "".join(char for char in head if char.isalnum())


def match(typed: str, known: Iterable[str], currency: str, *, whose: str = "this store") -> str:
    """The known symbol that was meant; our own spelling of `typed` when nothing is known yet.

    `whose` symbols they are, for the message. Raises UsageError with the nearest known ones otherwise.
    """
    symbols = sorted(set(known))
    wanted = spelled(typed)
    if not wanted:
        raise UsageError("no symbol was named", hint="for example BTCUSDT, or btc")
    for candidate in (wanted, wanted + currency.upper()):
        if candidate in symbols:
            return candidate
    starting = [symbol for symbol in symbols if symbol.startswith(wanted)]
    if len(starting) == 1:
        return starting[0]
    if not symbols:
        return wanted if wanted.endswith(currency.upper()) else wanted + currency.upper()
    near = starting or difflib.get_close_matches(wanted, symbols, n=3, cutoff=0.7)
    raise UsageError(
        f"'{typed}' is not a symbol that {whose} knows",
        why=f"it knows {', '.join(symbols[:12])}{' …' if len(symbols) > 12 else ''}",
        hint=f"did you mean {' or '.join(near)}?" if near else f"name one of these, such as {symbols[0]}",
    )
