"""One line per event: `LEVEL logger TAG: sentence | key=value …`, or the same as a JSON object.

Timestamps come from the injected clock (venue time), so that a replay's log tells the story in its own time. Every
line passes through a redaction function before it leaves (promise 14).
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar, TextIO

from tradectl.domain.candle import utc_text
from tradectl.domain.tags import Tag
from tradectl.errors import ConfigError

ROOT = "tradectl"
logging.getLogger(ROOT).addHandler(logging.NullHandler())  # silent until `set_up`, as a library should be


class Log:
    """Emits tagged lines under one logger name."""

    __slots__ = ("_logger",)

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(f"{ROOT}.{name}")

    def emit(
        self,
        tag: Tag,
        sentence: str,
        facts: Mapping[str, object] | None = None,
        /,
        *,
        level: int | None = None,
        **more: object,
    ) -> None:
        """`facts` and the keywords after it become the line's key=value pairs, in that order."""
        chosen = tag.level if level is None else level
        if self._logger.isEnabledFor(chosen):
            context = {**facts, **more} if facts else more
            self._logger.log(chosen, sentence, extra={"tag": tag.value, "context": context})

    def alert(self, kind: str, sentence: str, context: str, *, urgent: bool) -> None:
        """An alert as the log sink delivers it; `context` is JSON text already."""
        level = logging.CRITICAL if urgent else logging.WARNING if kind.startswith("safety_") else logging.INFO
        self._logger.log(level, sentence, extra={"alert": kind, "context_json": context})


def get(name: str) -> Log:
    return Log(name)


def trace(name: str, sentence: str, **context: object) -> None:
    """An unexpected error with its traceback, in the log only (promise 12: it is seen, and seen whole)."""
    tag = Tag.SAFETY_EXECUTION_ERROR
    logging.getLogger(f"{ROOT}.{name}").error(sentence, exc_info=True, extra={"tag": tag.value, "context": context})


def _parts(record: logging.LogRecord) -> tuple[str, dict[str, object]]:
    return getattr(record, "tag", ""), getattr(record, "context", {})


class TextFormatter(logging.Formatter):
    def __init__(self, now_ms: Callable[[], int], redact: Callable[[str], str]) -> None:
        super().__init__()
        self._now_ms = now_ms
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        head = f"{utc_text(self._now_ms())} {record.levelname} {record.name}"
        kind = getattr(record, "alert", "")
        if kind:
            line = f"{head} ALERT[{kind}]: {_sentence(record)} | context={getattr(record, 'context_json', '{}')}"
        else:
            tag, context = _parts(record)
            line = f"{head} {tag}: {_sentence(record)}" if tag else f"{head} {_sentence(record)}"
            if context:
                line += " | " + " ".join(f"{key}={_plain(value)}" for key, value in context.items())
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return self._redact(line)


class TerminalFormatter(TextFormatter):
    """For eyes: the same lines, shorter (no logger; key=value only from WARNING on) and coloured by level.

    The log file beside it has every line whole.
    """

    _COLOURS: ClassVar = {
        logging.DEBUG: "\x1b[2m",
        logging.WARNING: "\x1b[33m",
        logging.ERROR: "\x1b[31m",
        logging.CRITICAL: "\x1b[1;31m",
    }

    def __init__(self, now_ms: Callable[[], int], redact: Callable[[str], str], *, colour: bool) -> None:
        super().__init__(now_ms, redact)
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        tag, context = _parts(record)
        kind = getattr(record, "alert", "")
        name = f"ALERT[{kind}]" if kind else tag
        line = f"{utc_text(self._now_ms())[5:16].replace('T', ' ')} {name}: {_sentence(record)}"
        if context and record.levelno >= logging.WARNING:
            line += " | " + " ".join(f"{key}={_plain(value)}" for key, value in context.items())
        line = self._redact(line)
        tone = self._COLOURS.get(record.levelno, "")
        return f"{tone}{line}\x1b[0m" if tone and self._colour else line


class JsonFormatter(logging.Formatter):
    def __init__(self, now_ms: Callable[[], int], redact: Callable[[str], str]) -> None:
        super().__init__()
        self._now_ms = now_ms
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        row: dict[str, object] = {
            "at": utc_text(self._now_ms()),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        kind = getattr(record, "alert", "")
        if kind:
            row["alert"] = kind
            row["context"] = json.loads(getattr(record, "context_json", "{}"))
        else:
            tag, context = _parts(record)
            row["tag"] = tag
            row["context"] = {key: _plain(value) for key, value in context.items()}
        if record.exc_info:
            row["traceback"] = self.formatException(record.exc_info)
        return self._redact(json.dumps(row, ensure_ascii=False))


def _sentence(record: logging.LogRecord) -> str:
    """One event is one line, whatever an operator wrote as a reason."""
    return " ".join(record.getMessage().split("\n"))


def _plain(value: object) -> str:
    shown = str(value)
    return json.dumps(shown) if " " in shown or "|" in shown or not shown.isprintable() else shown


class _QuietStream(logging.StreamHandler[TextIO]):
    """Console output whose reader may go away: a closed pipe silences the console, never the bot."""

    def handleError(self, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, BrokenPipeError | ValueError):
            logging.getLogger(ROOT).removeHandler(self)
            return
        super().handleError(record)


def set_up(
    *,
    path: Path | None,
    level: str,
    fmt: str,
    console: TextIO | None,
    colour: bool = False,
    now_ms: Callable[[], int],
    redact: Callable[[str], str],
    quiet_below: int = logging.INFO,
) -> Callable[[], None]:
    """Opens the log file (append, 0600) and the console; returns the function that closes both.

    fmt: 'text' or 'json'. Raises ConfigError when the log file cannot be opened.
    """
    root = logging.getLogger(ROOT)
    root.setLevel(level)
    root.propagate = False
    formatter = (JsonFormatter if fmt == "json" else TextFormatter)(now_ms, redact)
    handlers: list[logging.Handler] = []
    if console is not None:
        stream = _QuietStream(console)
        if fmt == "text" and console.isatty():
            stream.setFormatter(TerminalFormatter(now_ms, redact, colour=colour))
        stream.setLevel(max(quiet_below, logging.getLevelName(level)))
        handlers.append(stream)
    if path is not None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600, exist_ok=True)
            handlers.append(logging.FileHandler(path, encoding="utf-8", delay=False))
        except OSError as error:
            raise ConfigError(
                "the log file cannot be written",
                where=str(path),
                why=error.strerror or str(error),
                hint="set log.path to a writable file",
            ) from error
    for handler in handlers:
        if handler.formatter is None:
            handler.setFormatter(formatter)
        root.addHandler(handler)

    def close() -> None:
        for handler in handlers:
            root.removeHandler(handler)
            handler.close() if not isinstance(handler, _QuietStream) else handler.flush()

    return close
