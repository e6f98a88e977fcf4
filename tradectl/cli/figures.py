"""Numbers as people read them: prices with as many decimals as their size asks for, money with its sign."""

from decimal import Decimal

from tradectl.domain.money import text

_DECIMALS = ((Decimal(1000), 2), (Decimal(1), 4), (Decimal("0.01"), 6))


def price(value: Decimal | None) -> str:
    """67123.412345 → '67123.41', 0.000123456789 → '0.00012346'; '-' without one."""
    if value is None:
        return "-"
    places = next((places for least, places in _DECIMALS if abs(value) >= least), 8)
    return text(round(value, places))


def signed(value: Decimal, places: int = 2) -> str:
    """'+12.30', '-4.00', '0.00'."""
    return f"{value:+.{places}f}" if round(value, places) else f"{0:.{places}f}"


def money(value: Decimal, currency: str = "", *, sign: bool = False) -> str:
    """4210 → '4,210.00 USDT'; with `sign`, what is gained or lost: '+6.05', '−82.10', '0.00'."""
    shown = f"{abs(round(value, 2)):,.2f}"
    lead = "" if not round(value, 2) else "−" if value < 0 else "+" if sign else ""
    return f"{lead}{shown} {currency}".rstrip()


def share(fraction: Decimal, places: int = 1) -> str:
    """A signed part of a whole: '8.4%', '−0.8%'."""
    return f"{fraction * 100:.{places}f}%".replace("-", "−")


def counted(number: int, noun: str) -> str:
    """'1 order', '3 orders'."""
    return f"{number} {noun if number == 1 else f'{noun}s'}"


def size(count: int) -> str:
    """Bytes as '4.0 KiB'."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    raise AssertionError("the last unit returns")
