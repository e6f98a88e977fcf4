"""`runbooks/config-rules.md`, made of the rules themselves: a rule that changes changes its page."""

from __future__ import annotations

from tradectl.validation.rule import Severity
from tradectl.validation.rules import RULES
from tradectl.validation.venue_facts import AS_OF, VENUES

_MEANS = {
    Severity.ERROR: "error at worst: `run` refuses the configuration, `validate-config` exits 2",
    Severity.WARNING: "warning at worst: `validate-config --strict` exits 1",
    Severity.NOTE: "note: nothing follows from it",
}
_HEAD = f"""\
<!-- Generated from tradectl/validation/rules.py. To write it anew, from the repository's root:
     python -c "from tradectl.validation.runbook import page; print(page(), end='')" > runbooks/config-rules.md -->
# Configuration rules

`tradectl validate-config FILE` holds a configuration against every rule here and shows the arithmetic with your own
numbers, the line of every knob in it, and what to change. `tradectl config explain KEY` says what one knob does.

**Accepting a rule.** Where a fault is meant, say so in the configuration, with the reason:

```yaml
accept:
  TC06: all three markets never stop in the same minute; measured over two years
```

It is then shown as accepted, with the reason and its line, and does not count: an error no longer keeps `run` from
starting. It accepts every fault of that rule, so look again whenever the numbers change; what accepts nothing is said.

**Not checked.** What the rules need to know of a venue and is not known here is said as "not checked", never guessed.
What is known was settled on {AS_OF}: {", ".join(VENUES)}. For the simulated exchange its own settings are taken.
`tradectl validate-config --online FILE` asks the venue itself; with the API key in the environment also for the
account's fees and equity.
"""


def page() -> str:
    parts = [_HEAD]
    for rule in RULES.values():
        facts = f"- Severity: {_MEANS[rule.severity]}.\n- Change: {rule.change}\n"
        parts.append(f"## {rule.id}: {rule.title}\n\n{rule.why}\n\n{facts}")
    return "\n".join(parts)
