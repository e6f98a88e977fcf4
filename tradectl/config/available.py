"""What this build cannot honour yet: such modes and settings are refused, so that nothing is silently ignored."""

from __future__ import annotations

from tradectl.config.listing import entries
from tradectl.config.load import Resolved
from tradectl.config.nearest import key_of
from tradectl.config.place import Fault, Place

MODES = ("paper", "testnet", "live_limited", "live")
BUILT_MODES = ("paper", "live_limited")  # live_limited on the simulated exchange only: no other venue is built
# Where the default is not what is meant for the mode, and removing it would be the wrong lesson.
_HINTS: dict[tuple[str, ...], str] = {
    ("perps", "use_testnet"): "leave it true until a venue for real money is built: every mode of this build trades on "
    "the simulated exchange, and nothing is at stake there",
}


def refuse_unavailable(resolved: Resolved, mode: str) -> tuple[Fault, ...]:
    """One fault for the mode and for each knob away from its default, where the step behind it is not built."""
    faults: list[Fault] = []
    if mode not in MODES:
        faults.append(Fault(None, f"there is no mode {mode!r}", "", "use --mode " + ", ".join(BUILT_MODES)))
    elif mode not in BUILT_MODES:
        faults.append(
            Fault(
                None,
                f"mode {mode} is not available yet",
                "this build trades on the simulated exchange only",
                "--mode paper",
            )
        )
    for each in entries(resolved.config):
        key = key_of(each.path)
        unbuilt = each.fact.unavailable_values
        if not each.fact.available and not each.is_default:
            what = f"{key} = {each.text} is not available yet"
            hint = _HINTS.get(each.path, f"remove it (default {each.default_text})")
        elif isinstance(each.value, str) and each.value in unbuilt:
            what, hint = f"{key} = {each.text} is not available yet", f"use {each.default_text}"
        else:
            continue
        place = resolved.origin(each.path).place or _inner_place(resolved, each.path)
        faults.append(Fault(place, what, f"the step that reads it is not built: {each.fact.step}", hint))
    return tuple(faults)


def _inner_place(resolved: Resolved, path: tuple[str, ...]) -> Place | None:
    """The first place below a table."""
    head = ".".join(path) + "."
    return next((each.place for name, each in resolved.provenance.items() if name.startswith(head)), None)
