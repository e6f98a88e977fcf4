"""From a text as it was written to the value a knob wants, or the fault. Texts mean what a person means by them."""

from __future__ import annotations

import re
from decimal import Decimal
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from tradectl.config.knob import Knob
from tradectl.config.place import Fault
from tradectl.config.secrets import looks_secret
from tradectl.config.tree import Branch, Leaf, Node, Series
from tradectl.domain.money import text as money_text

MAX_ITEMS = 2000
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:_[0-9]+)*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_NULLS = {"", "~", "null", "none"}
_TRUE, _FALSE = {"true", "yes", "on"}, {"false", "no", "off"}
_LARGEST = Decimal("1E18")
_FINEST = -18  # decimals beyond this are a slip, and would make endless texts


class Bad(Exception):
    """A value that does not fit; carries the fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


class AlreadyFaulted(Exception):
    """The value was refused where it was read."""


def optional(annotation: Any) -> tuple[Any, bool]:
    """The annotation without None, and whether None was in it."""
    if get_origin(annotation) in (Union, UnionType):
        rest = [part for part in get_args(annotation) if part is not NoneType]
        return rest[0], True
    return annotation, False


def shown(text: str) -> str:
    """A value as it may be printed: short, quoted, and never a secret (promise 14)."""
    if looks_secret(text):
        return "the value (not shown: it looks like a secret)"
    return repr(text if len(text) <= 40 else text[:37] + "...")


def value(node: Node, annotation: Any, fact: Knob, name: str) -> Any:
    """The value for a knob that is no table. Raises Bad or AlreadyFaulted."""
    wanted, may_be_none = optional(annotation)
    if get_origin(wanted) is tuple:
        return _series(node, get_args(wanted)[0], fact, name)
    if not isinstance(node, Leaf):
        raise Bad(Fault(node.place, f"{name} has a list or table", f"it is {_kind(wanted)}", "write one value"))
    if node.form == "refused":
        raise AlreadyFaulted
    if node.form == "other":
        raise Bad(Fault(node.place, f"{name} has a date or time", f"it is {_kind(wanted)}", f"write {_kind(wanted)}"))
    if node.text.strip().lower() in _NULLS and (node.form == "plain" or node.text.strip()):
        if may_be_none:
            return None
        if wanted is not str or node.form == "plain":
            raise Bad(Fault(node.place, f"{name} has no value", "", "write one, or remove the line for the default"))
    if wanted is bool:
        return _switch(node, name)
    if wanted in (int, Decimal):
        return _number(node, wanted, fact, name)
    if get_origin(wanted) is Literal:
        return _choice(node, get_args(wanted), name)
    return _text(node, fact, name)


def _kind(wanted: Any) -> str:
    if get_origin(wanted) is Literal:
        return "one of " + ", ".join(map(str, get_args(wanted)))
    return {bool: "true or false", int: "a whole number", Decimal: "a number"}.get(wanted, "a text")


def _series(node: Node, inner: Any, fact: Knob, name: str) -> tuple[Any, ...]:
    if isinstance(node, Leaf) and node.form == "refused":
        raise AlreadyFaulted
    if not isinstance(node, Series):
        raise Bad(Fault(node.place, f"{name} is not a list", "", "write a list: [a, b]"))
    if len(node.items) > MAX_ITEMS:
        raise Bad(Fault(node.place, f"{name} has more than {MAX_ITEMS} entries"))
    found = tuple(value(item, inner, fact, f"{name}[{number}]") for number, item in enumerate(node.items))
    doubles = {entry for entry in found if found.count(entry) > 1} if inner is str and len(found) < 500 else set()
    if doubles:
        raise Bad(Fault(node.place, f"{name} names {', '.join(sorted(doubles))} twice", "", "keep one"))
    return found


def _switch(node: Leaf, name: str) -> bool:
    word = node.text.strip().lower()
    if node.form == "plain" and word in _TRUE | _FALSE:
        return word in _TRUE
    why = f"{shown(node.text)} is a text" if node.form == "quoted" else f"{shown(node.text)} is neither"
    raise Bad(Fault(node.place, f"{name} is not true or false", why, "write true or false, without quotes"))


def _choice(node: Leaf, allowed: tuple[Any, ...], name: str) -> str:
    word = node.text.strip()
    for option in allowed:
        if word == option or word.lower() == str(option).lower():
            return str(option)
    from difflib import get_close_matches

    near = get_close_matches(word[:80].lower(), [str(option).lower() for option in allowed], 1)
    nearest = next((str(option) for option in allowed if near and str(option).lower() == near[0]), "")
    hint = f"did you mean {nearest}?" if nearest else "write one of " + ", ".join(map(str, allowed))
    raise Bad(Fault(node.place, f"{name} is {shown(word)}", "one of " + ", ".join(map(str, allowed)), hint))


def _text(node: Leaf, fact: Knob, name: str) -> str:
    words = node.text
    if looks_secret(words):
        raise Bad(
            Fault(node.place, f"{name} looks like a secret", "it is not shown", "secrets belong in the environment")
        )
    if not words.strip() or len(words) > 1024:
        raise Bad(Fault(node.place, f"{name} is empty or too long", "", "write a text, or remove the line"))
    if any(not letter.isprintable() for letter in words):
        raise Bad(Fault(node.place, f"{name} holds a line break or control character", "", "write one line"))
    if fact.pattern and not re.fullmatch(fact.pattern, words):
        raise Bad(Fault(node.place, f"{name} is {shown(words)}", f"it is {fact.says}", _respelt(words, fact)))
    return words


def _respelt(words: str, fact: Knob) -> str:
    tidy = re.sub(r"[^A-Z0-9]", "", words.upper().split(":")[0])
    if tidy and tidy != words and re.fullmatch(fact.pattern, tidy) and "BTCUSDT" in fact.says:
        return f"write {tidy[:40]}"
    return f"write {fact.says}"


def _number(node: Leaf, wanted: Any, fact: Knob, name: str) -> Decimal | int:
    words = node.text.strip()
    percent = words.endswith("%")
    digits = words[:-1].rstrip() if percent else words
    if not _NUMBER.fullmatch(digits) or len(digits) > 60:
        raise Bad(Fault(node.place, f"{name} is not a number", f"{shown(words)}", _number_hint(words, fact)))
    number = Decimal(digits.replace("_", ""))
    if percent:
        if fact.unit != "fraction":
            raise Bad(Fault(node.place, f"{name} is a percentage", f"{_measure(fact)} is meant", "write it without %"))
        number = number.scaleb(-2)
    elif fact.unit == "fraction" and number >= 1 and not re.search(r"[.eE]", digits):
        low, high = money_text(number / 100), money_text(number * 100)
        raise Bad(
            Fault(
                node.place,
                f"{name} is {shown(words)}, where a fraction is meant",
                f"it could be {words}% or {high}%",
                f"write {low} or {words}% for {words} percent"
                + (f", {high}% for {words}" if _fits(number, fact) else ""),
            )
        )
    if abs(number) > _LARGEST or (number and number.normalize().as_tuple().exponent < _FINEST):  # type: ignore[operator]
        raise Bad(Fault(node.place, f"{name} is {shown(words)}", "no knob is that large or that fine", bounds(fact)))
    if not _fits(number, fact):
        raise Bad(Fault(node.place, f"{name} is {shown(words)}", bounds(fact), _bound_hint(number, fact)))
    if wanted is int:
        if number != number.to_integral_value():
            raise Bad(Fault(node.place, f"{name} is {shown(words)}", "it is a whole number", "round it"))
        return int(number)
    return Decimal(money_text(number))


def _fits(number: Decimal, fact: Knob) -> bool:
    if fact.low is not None and (number < fact.low or (fact.low_open and number == fact.low)):
        return False
    return fact.high is None or number <= fact.high


def bounds(fact: Knob) -> str:
    """The bounds in words: 'above 0, at most 1'; empty where there are none."""
    parts = []
    if fact.low is not None:
        parts.append(f"{'above' if fact.low_open else 'at least'} {money_text(fact.low)}")
    if fact.high is not None:
        parts.append(f"at most {money_text(fact.high)}")
    return ", ".join(parts)


def _bound_hint(number: Decimal, fact: Knob) -> str:
    if fact.unit == "fraction" and number > 1:
        return f"percentages are fractions: write {money_text(number / 100)} or {money_text(number)}%"
    return f"write a number {bounds(fact)}"


def _measure(fact: Knob) -> str:
    """What is to be written, in words."""
    if fact.unit == "fraction":
        return "a fraction such as 0.05, or 5%"
    in_unit = fact.unit in ("seconds", "ms", "minutes", "hours", "bars")
    return f"one number of {fact.unit}" if in_unit else "one number"


def _number_hint(words: str, fact: Knob) -> str:
    low = words.lower()
    if re.fullmatch(r"[0-9]+(:[0-9.]+)+", words):
        return f"write {_measure(fact)}; {words} is a time of day to some and a ratio to others"
    if low in _TRUE | _FALSE:
        return f"{words} is a switch; write {_measure(fact)}"
    if re.fullmatch(r"[+-]?0[xob][0-9a-f_]+", low):
        return "write it in decimal digits"
    if low.lstrip("+-.") in ("nan", "inf", "infinity"):
        return "write a finite number; to switch an optional limit off, write none"
    if re.fullmatch(r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?", words):
        return f"write {words.replace(',', '')}"
    if re.fullmatch(r"[+-]?[0-9]+,[0-9]+", words):
        return f"write {words.replace(',', '.')}"
    if re.fullmatch(r"[0-9.]+ ?[a-z]+", low):
        return f"write {_measure(fact)}, without letters"
    return f"write {_measure(fact)}, {bounds(fact)}".rstrip(", ")


def bare_mapping(node: Node, name: str) -> Branch:
    """The node as a table. Raises Bad or AlreadyFaulted."""
    if isinstance(node, Branch):
        return node
    if isinstance(node, Leaf):
        if node.form == "refused":
            raise AlreadyFaulted
        if node.form == "plain" and node.text.strip().lower() in _NULLS:
            return Branch((), node.place)
    raise Bad(Fault(node.place, f"{name} is a group of knobs", "a single value was found", "write its knobs below it"))
