"""Entry point. The kill switch's fence comes before everything else, the imports included (promise 2).

`tradectl killswitch activate` is recognised from the bare argument list; the fence is then committed with the
standard library alone, and only after that the rest of the program is loaded, to sweep and to verify. Whatever is
not recognised here, any `--help` and the shell's completion included, goes to the command line parser unfenced.
"""

import os
import sys

INTERRUPTED = 130  # as a shell says it


def asks_for_fence(args: list[str]) -> bool:
    """Whether these arguments can be a `killswitch activate`; the fence itself reads them exactly."""
    return "killswitch" in args and "activate" in args and "--help" not in args


def main() -> None:
    """Runs the command line and exits with its code."""
    args = sys.argv[1:]
    fencing = asks_for_fence(args) and "_TRADECTL_COMPLETE" not in os.environ
    try:
        if fencing:
            _fence(args)
            fencing = False
        from tradectl.cli.main import run

        code = run(args)
    except KeyboardInterrupt:
        print("NOT FENCED: interrupted" if fencing else "interrupted", file=sys.stderr)
        code = INTERRUPTED
    sys.exit(code)


def _fence(args: list[str]) -> None:
    """The fast path. Ctrl-C on its way ends the command, after the fence."""
    from tradectl.store import fence

    try:
        report = fence.fast_path(args)  # the command finds the report in fence.REPORT
    except Exception as error:  # the slow path fences too: a fault here must not keep the operator from it
        print(f"the fast fence failed ({error!r}); going on with the slow one", file=sys.stderr)
        return
    if report is not None and report.interrupted:
        print("interrupted: nothing was swept; again, it is safe: tradectl killswitch activate", file=sys.stderr)
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
