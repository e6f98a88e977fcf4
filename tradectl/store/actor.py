"""Who acts, for the journal (promise 11): one rule for the fence and for every command; cheap enough for the fence."""

import os

ENV = ("TRADECTL_OPERATOR", "SUDO_USER", "LOGNAME", "USER")


def operator_name() -> str:
    """The name given on purpose, else the person behind sudo, else the login; never empty, one line of valid text."""
    for name in ENV:
        if found := _clean(os.environ.get(name, "")):
            return found
    return _account() or f"uid-{os.getuid()}"


def _account() -> str:
    """The machine's own name of this account; cron and service managers often set none of the variables."""
    try:
        import pwd  # built into the interpreter; loaded only where it is needed

        return _clean(pwd.getpwuid(os.getuid()).pw_name)
    except (ImportError, KeyError):
        return ""


def _clean(text: str) -> str:
    return " ".join(text.encode("utf-8", "replace").decode("utf-8").split())
