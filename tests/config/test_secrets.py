"""Secrets: found where they belong, refused where they can be read by others, and shown nowhere (promise 14)."""

from __future__ import annotations

import pickle
import traceback
from pathlib import Path

import pytest

from tradectl.config.knob import walk
from tradectl.config.schema import Config
from tradectl.config.secrets import Secret, is_secret_name, looks_secret, read, redact
from tradectl.errors import ConfigError


def test_a_secret_shows_itself_only_when_asked_by_name() -> None:
    secret = Secret("hunter2-hunter2")
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret!r:>40}", repr([secret])):
        assert "hunter2" not in shown
    assert secret.reveal() == "hunter2-hunter2"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_the_accounts_own_name_goes_before_the_common_one() -> None:
    found = read("main-2", {"TRADECTL_API_KEY": "common-key", "TRADECTL_MAIN_2_API_KEY": "own-key"})
    assert found.api_key is not None
    assert found.api_key.reveal() == "own-key"
    assert found.api_secret is None


def test_an_env_file_of_mode_0600_is_read_and_the_environment_goes_before_it(tmp_path: Path) -> None:
    path = tmp_path / "secrets.env"
    path.write_text("# keys\nexport TRADECTL_API_KEY='file-key'\nTRADECTL_API_SECRET=file=secret\n\n")
    path.chmod(0o600)
    found = read("main", {"TRADECTL_ENV_FILE": str(path), "TRADECTL_API_KEY": "env-key"})
    assert found.api_key is not None
    assert found.api_secret is not None
    assert (found.api_key.reveal(), found.api_secret.reveal()) == ("env-key", "file=secret")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_an_env_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secrets.env"
    path.write_text("TRADECTL_API_KEY=abcdefgh\n")
    path.chmod(mode)
    with pytest.raises(ConfigError) as caught:
        read("main", {"TRADECTL_ENV_FILE": str(path)})
    assert f"chmod 600 {path}" in caught.value.hint


def test_a_broken_line_of_an_env_file_is_located_and_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "secrets.env"
    path.write_text("TRADECTL_API_KEY=abc\nsome-secret-value\n")
    path.chmod(0o600)
    with pytest.raises(ConfigError) as caught:
        read("main", {"TRADECTL_ENV_FILE": str(path)})
    assert caught.value.where == f"{path}:2:1"
    assert "some-secret" not in "\n".join(caught.value.lines())


def test_a_missing_env_file_is_a_fault_and_not_an_empty_answer(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read("main", {"TRADECTL_ENV_FILE": str(tmp_path / "absent")})


def test_a_systemd_credential_is_read(tmp_path: Path) -> None:
    (tmp_path / "TELEGRAM_BOT_TOKEN").write_text("bot-token\n")
    found = read("main", {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert found.telegram_bot_token is not None
    assert found.telegram_bot_token.reveal() == "bot-token"


def test_texts_and_tracebacks_lose_every_secret_that_was_read() -> None:
    read("main", {"TRADECTL_API_SECRET": "s3cr3t-of-main"})
    try:
        raise ValueError("signing with s3cr3t-of-main failed")
    except ValueError:
        text = redact(traceback.format_exc())
    assert "s3cr3t-of-main" not in text
    assert "signing with [redacted] failed" in text


def test_secrets_in_the_environment_are_blanked_before_anybody_read_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADECTL_NIGHT_API_KEY", "night-key-1")
    monkeypatch.setenv("ALERT_WEBHOOK_URL", "https://hooks.example/abc")
    assert redact("night-key-1 to https://hooks.example/abc") == "[redacted] to [redacted]"


@pytest.mark.parametrize(
    "text",
    ["https://me:pass@host/x", "GET /o?a=1&signature=0123456789abcdef0123", "123456789:AAF0aa-Bb1cc2Dd3ee4Ff5gg6Hh7"],
)
def test_shapes_of_secrets_are_blanked(text: str) -> None:
    assert redact(text) != text
    assert looks_secret(text)


def test_ordinary_texts_stay_as_they_are() -> None:
    for text in (
        "entry SOLUSDT 12.5 @ 143.21 stop 141.77",
        "data/main-paper.db",
        "https://127.0.0.1:8080/v5",
        "BTCUSDT",
    ):
        assert redact(text) == text
        assert not looks_secret(text)


def test_no_knob_sounds_like_a_secret() -> None:
    assert [path for path, _ in walk(Config) if any(is_secret_name(part) for part in path)] == []
