"""Secrets: where they come from, a type that does not print them, and the blanking of texts (promise 14).

Sources, the first that has the name wins: the process environment, a systemd credential (`$CREDENTIALS_DIRECTORY`),
the file named by `TRADECTL_ENV_FILE` (NAME=value lines, mode 0600). `TRADECTL_<ACCOUNT>_API_KEY` goes before
`TRADECTL_API_KEY`. Standard library only.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tradectl.errors import ConfigError

ENV_FILE = "TRADECTL_ENV_FILE"
CREDENTIALS = "CREDENTIALS_DIRECTORY"
REDACTED = "[redacted]"
SHORTEST = 6  # blanking anything shorter would shred ordinary text
MAX_BYTES = 64 * 1024

NAMES = (
    "TRADECTL_API_KEY",
    "TRADECTL_API_SECRET",
    "ALERT_WEBHOOK_URL",
    "ALERT_CHAT_ID",
    "TELEGRAM_BOT_TOKEN",
    "TELEGRAM_CHAT_ID",
)
_OWN = re.compile(r"TRADECTL_(?:[A-Z0-9_]+_)?API_(?:KEY|SECRET)")
_WORDS = (
    "apikey", "apisecret", "accesskey", "privatekey", "secret", "token", "password", "passwd", "passphrase",
    "webhook", "credential", "mnemonic", "chatid",
)  # fmt: skip
_SHAPES = re.compile(
    r"\b\d{6,}:[A-Za-z0-9_-]{20,}"  # a bot token
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"  # user and password in an address
    r"|(?<=signature=)[0-9A-Fa-f]{16,}"  # a signed request
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[^-]|-(?!----))*"
)
_OPAQUE = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9+=_-]{24,}")

_known: set[str] = set()


class Secret:
    """A value that shows itself only to who asks by name; from its making on, `redact` blanks it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        if len(value) >= SHORTEST:
            _known.add(value)

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return f"Secret({REDACTED})"

    def __str__(self) -> str:
        return REDACTED

    def __format__(self, spec: str) -> str:
        return REDACTED

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret is not stored")


@dataclass(frozen=True, slots=True)
class Secrets:
    """What was found; None where a name is set nowhere."""

    api_key: Secret | None
    api_secret: Secret | None
    alert_webhook_url: Secret | None
    alert_chat_id: Secret | None
    telegram_bot_token: Secret | None
    telegram_chat_id: Secret | None


def read(account: str, environ: Mapping[str, str]) -> Secrets:
    """The secrets of an account. Raises ConfigError when a file that should hold them cannot be trusted or read."""
    from_file = _env_file(environ.get(ENV_FILE, ""))

    def find(*names: str) -> Secret | None:
        for name in names:
            value = environ.get(name) or _credential(environ.get(CREDENTIALS, ""), name) or from_file.get(name)
            if value:
                return Secret(value)
        return None

    own = "TRADECTL_" + re.sub(r"[^A-Z0-9]", "_", account.upper())
    return Secrets(
        api_key=find(f"{own}_API_KEY", "TRADECTL_API_KEY"),
        api_secret=find(f"{own}_API_SECRET", "TRADECTL_API_SECRET"),
        alert_webhook_url=find("ALERT_WEBHOOK_URL"),
        alert_chat_id=find("ALERT_CHAT_ID"),
        telegram_bot_token=find("TELEGRAM_BOT_TOKEN"),
        telegram_chat_id=find("TELEGRAM_CHAT_ID"),
    )


def redact(text: str) -> str:
    """The text without any secret: those read so far, those in the environment, and what has a secret's shape."""
    values = _known | {
        value
        for name, value in os.environ.items()
        if len(value) >= SHORTEST and (name in NAMES or _OWN.fullmatch(name))
    }
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, REDACTED)
    return _SHAPES.sub(REDACTED, text)


def is_secret_name(key: str) -> bool:
    """True for keys like apiKey, API_SECRET, webhook_url: their values belong in the environment."""
    plain = re.sub(r"[^a-z0-9]", "", key.lower())
    return any(word in plain for word in _WORDS)


def looks_secret(text: str) -> bool:
    """True when a value has the shape of a key or token, or is one that is known."""
    return redact(text) != text or _OPAQUE.fullmatch(text) is not None


def home_of(key: str) -> str:
    """The environment variable in which a secret written under this key belongs."""
    plain = re.sub(r"[^a-z0-9]", "", key.lower())
    if "telegram" in plain or "bottoken" in plain:
        return "TELEGRAM_CHAT_ID" if "chatid" in plain else "TELEGRAM_BOT_TOKEN"
    if "webhook" in plain:
        return "ALERT_WEBHOOK_URL"
    if "chatid" in plain:
        return "ALERT_CHAT_ID"
    return "TRADECTL_API_SECRET" if "secret" in plain else "TRADECTL_API_KEY"


def _credential(folder: str, name: str) -> str:
    if not folder:
        return ""
    path = Path(folder) / name
    return _read_small(str(path)).strip() if path.exists() else ""


def _env_file(path: str) -> dict[str, str]:
    if not path:
        return {}
    try:
        facts = Path(path).stat()
    except OSError as error:
        raise ConfigError(
            "the file with the secrets cannot be read", where=path, why=error.strerror or "", hint=f"see {ENV_FILE}"
        ) from error
    if not stat.S_ISREG(facts.st_mode):
        raise ConfigError("the file with the secrets is not a regular file", where=path, hint=f"see {ENV_FILE}")
    if stat.S_IMODE(facts.st_mode) & 0o077:
        mode = f"{stat.S_IMODE(facts.st_mode):04o}"
        raise ConfigError(
            "the file with the secrets can be read by others", where=path, why=f"mode {mode}", hint=f"chmod 600 {path}"
        )
    found: dict[str, str] = {}
    for number, raw in enumerate(_read_small(path).splitlines(), 1):
        line = raw.strip().removeprefix("export ").lstrip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name.strip()):
            raise ConfigError(
                "a line is not NAME=value", where=f"{path}:{number}:1", why="it is not shown: it may hold a secret"
            )
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        found[name.strip()] = value
    return found


def _read_small(path: str) -> str:
    try:
        with Path(path).open("rb") as stream:
            return stream.read(MAX_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError("a file with secrets cannot be read", where=path, why=reason or "") from None
