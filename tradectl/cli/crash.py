"""Where a fault of the tool itself leaves its traceback: one file in the operator's state folder, mode 0600.

Secrets stay out of it (promise 14): whatever the environment holds under a name that sounds like a secret is blanked.
"""

import os
import time
import traceback

_SECRET_WORDS = ("KEY", "SECRET", "TOKEN", "PASSW", "CREDENTIAL", "URL")
_SHORTEST_SECRET = 6  # blanking shorter values would tear ordinary text apart


def redact(text: str) -> str:
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST_SECRET and any(word in name.upper() for word in _SECRET_WORDS):
            text = text.replace(value, "***")
    return text


def state_folder() -> str:
    """$XDG_STATE_HOME/tradectl, by default ~/.local/state/tradectl."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "tradectl")


def record(error: BaseException, argv: tuple[str, ...]) -> str:
    """Appends the traceback and returns a sentence that says where it is, or why it could not be kept."""
    path = os.path.join(state_folder(), "crash.log")
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    body = redact(f"{stamp} tradectl {' '.join(argv)}\n{''.join(traceback.format_exception(error))}\n")
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.fchmod(handle, 0o600)
            os.write(handle, body.encode("utf-8", "backslashreplace"))
        finally:
            os.close(handle)
    except OSError as problem:
        return f"its traceback could not be kept at {path} ({problem.strerror})"
    return f"traceback in {path}"
