"""One venue over HTTP, by ccxt: its addresses, signatures, limits and error codes, and nothing it would fill in.

ccxt's unified calls put a default where an answer lacks a field, and an empty list where it is garbage. So the venue's
own endpoints are called, and their answers read strictly (`venue/fields.py`). ccxt is loaded when a client is made:
it takes half a second.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tradectl.config.secrets import Secret, redact
from tradectl.errors import KeyRefused, NotUnderstood, RateLimited, TradectlError, VenueUnreachable

TIMEOUT_MS = 10_000  # of one request
KEPT_ALONE_MS = 60_000  # after a 429 or 418 that does not say for how long
_SECONDS = re.compile(r"[0-9]{1,6}")
_SHOWN = 200  # characters of what a venue said
_AGAIN = "check this machine's network and the venue's status page, then try again"


@dataclass(frozen=True, slots=True)
class Keys:
    """Of an account at the venue. Reading is all that they are used for here."""

    key: Secret
    secret: Secret


@dataclass(frozen=True, slots=True)
class Address:
    """Which endpoint of a venue. base_url: a simulated exchange on this machine, in place of the venue's own."""

    venue: str
    testnet: bool
    base_url: str | None = None

    @property
    def environment(self) -> str:
        return "testnet" if self.testnet else "live"


class Client:
    """Raises VenueUnreachable (no answer), RateLimited, NotUnderstood (not JSON, or an error that is none of these)
    and KeyRefused. Nothing is sent before the first `get`. `requests`: how many have left."""

    def __init__(self, address: Address, keys: Keys | None, recv_window_ms: int) -> None:
        self._inner = _exchange(address, keys, recv_window_ms)
        self.host = urlsplit(self._inner.url_of_market_data()).netloc
        self.signs = keys is not None

    @property
    def requests(self) -> int:
        return int(self._inner.requests)

    def correct_clock(self, skew_ms: int) -> None:
        """Signed requests bear the venue's time from now on."""
        self._inner.options["timeDifference"] = skew_ms

    async def get(self, endpoint: str, **params: str) -> Any:
        """endpoint: ccxt's name of it, such as fapiPublicGetTime; a GET always."""
        call: Callable[[dict[str, str]], Any] = getattr(self._inner, endpoint)
        import ccxt

        try:
            return await call(params)
        except ccxt.BaseError as error:
            raise self._meant(error) from error
        except Exception as error:  # an answer that ccxt stumbles over; what is wrong with it is said
            why = _clean(f"{type(error).__name__}: {error}")
            raise NotUnderstood(f"{self.host} answered, and its answer cannot be read", why=why) from error

    async def close(self) -> None:
        await self._inner.close()

    def _meant(self, error: Exception) -> TradectlError:
        import ccxt

        said = _words(str(error), self._inner.id)
        if isinstance(error, (ccxt.RateLimitExceeded, ccxt.DDoSProtection)):
            wait_ms = self._asked_to_wait_ms()
            return RateLimited(
                f"{self.host} asks to be left alone for {wait_ms // 1000} s",
                retry_after_ms=wait_ms,
                why=said,
                hint="try again after that; more requests before it make it longer",
            )
        if isinstance(error, ccxt.InvalidNonce):
            return VenueUnreachable(
                f"{self.host} takes our request for an old one", why=said, hint="set this machine's clock: chrony, ntpd"
            )
        if isinstance(error, ccxt.AuthenticationError):
            return KeyRefused(
                f"{self.host} does not accept the API key",
                why=said,
                hint="a key of another environment (testnet or live), without permission to read, or bound to "
                "another IP address; secrets are read from TRADECTL_API_KEY and TRADECTL_API_SECRET",
            )
        if isinstance(error, ccxt.RequestTimeout):
            return VenueUnreachable(f"{self.host} did not answer within {TIMEOUT_MS // 1000} s", why=said, hint=_AGAIN)
        if isinstance(error, ccxt.NetworkError):
            cause = _cause(error)
            return VenueUnreachable(
                f"{self.host} {'cannot be reached' if cause else 'is not available'}", why=cause or said, hint=_AGAIN
            )
        if isinstance(error, ccxt.BadResponse):
            return NotUnderstood(f"{self.host} answered, and not what it documents", why=said)
        return NotUnderstood(f"{self.host} answered with an error", why=said)

    def _asked_to_wait_ms(self) -> int:
        for name, value in (self._inner.last_response_headers or {}).items():
            if name.lower() == "retry-after" and _SECONDS.fullmatch(str(value)):
                return int(value) * 1000
        return KEPT_ALONE_MS


def _exchange(address: Address, keys: Keys | None, recv_window_ms: int) -> Any:
    import aiohttp
    import ccxt.async_support as ccxt

    known: type[Any] = getattr(ccxt, address.venue)

    class Strict(known):  # type: ignore[misc]
        requests = 0
        session: Any

        def open(self, lazy: bool = False) -> None:
            if self.session is None and not self.closed_by_user:
                trusted = ssl.create_default_context(cafile=self.cafile)
                connector = aiohttp.TCPConnector(ssl=trusted, happy_eyeballs_delay=0)
                self.session = aiohttp.ClientSession(connector=connector, trace_configs=[_no_redirects()])
            super().open(lazy)

        def url_of_market_data(self) -> str:
            urls = self.urls["api"]
            return str(self.implode_hostname(urls.get("fapiPublic") or urls["public"]))

        def on_json_response(self, response_body: str) -> Any:
            """Fractions stay text, so that none goes through a float."""
            try:
                return json.loads(response_body, parse_float=str, parse_constant=_no_number)
            except RecursionError as error:
                raise ValueError("nested too deep") from error

        async def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
            if method != "GET":
                raise ccxt.NotSupported(f"{self.id} {method}: only what reads is asked here")
            self.requests += 1
            try:
                found = await super().fetch(url, method, headers, body)
            except ccxt.ExchangeError as error:
                if isinstance(error.__cause__, aiohttp.ClientError):
                    raise ccxt.NetworkError(f"{self.id} {error.__cause__}") from error.__cause__
                raise
            if not isinstance(found, (dict, list)):
                raise ccxt.BadResponse(f"{self.id} {found!r:.{_SHOWN}}" if found else f"{self.id} nothing")
            return found

        def handle_errors(self, code: int, reason: str, url: str, *rest: Any) -> Any:
            """The venue's error codes are told apart by its own address."""
            return super().handle_errors(code, reason, self.as_at_the_venue(url), *rest)

        def as_at_the_venue(self, url: str) -> str:
            if address.base_url is not None and self.id == "binanceusdm":
                return str(url).replace(address.base_url.rstrip("/"), "https://fapi.binance.com", 1)
            return url

    # A venue's limits are kept; an exchange on this machine limits nobody.
    settings: dict[str, Any] = {"timeout": TIMEOUT_MS, "enableRateLimit": address.base_url is None}
    if keys is not None:
        settings |= {"apiKey": keys.key.reveal(), "secret": keys.secret.reveal()}
    made = Strict(settings)
    made.options["recvWindow"] = recv_window_ms
    made.timeout_on_exit = 0
    made.logger.setLevel("INFO")  # its debug lines hold signed requests
    if address.base_url is not None:
        base = address.base_url.rstrip("/")
        made.urls["api"] = {name: _moved(made, url, base) for name, url in made.urls["api"].items()}
    elif address.testnet:
        made.enable_demo_trading(True) if address.venue == "binanceusdm" else made.set_sandbox_mode(True)
    return made


def _moved(made: Any, url: str, base: str) -> str:
    """The same path on this machine, of every endpoint: nothing may leave it."""
    return base + urlsplit(str(made.implode_hostname(url))).path


def _no_redirects() -> Any:
    """No venue sends its clients elsewhere; a key must not follow who does."""
    import aiohttp

    async def refuse(_session: Any, _context: Any, params: Any) -> None:
        raise aiohttp.ClientError(f"it redirects to {params.response.headers.get('Location', 'nowhere')}")

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(refuse)
    return trace


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _cause(error: BaseException) -> str:
    cause = error.__cause__
    return _clean(str(cause)) if cause is not None else ""


def _words(said: str, name: str) -> str:
    """The venue's own words of an error, without what ccxt puts around them, and without a secret."""
    said = said.removeprefix(name).strip()
    start = said.find("{")
    if start >= 0:
        try:
            body = json.loads(said[start:])
        except ValueError:
            body = None
        if isinstance(body, dict):
            code, words = body.get("code", body.get("retCode")), body.get("msg", body.get("retMsg"))
            if code is not None:
                return _clean(f"{words} ({code})" if words else str(code))
    return _clean(said)


def _clean(words: str) -> str:
    """One printable line: what comes from outside must not steer a terminal."""
    line = redact(words)
    line = re.sub(r"[?&]\S*signature=\S*", "", line)
    line = " ".join(re.sub(r"</?[A-Za-z!][^<>]*>", " ", line).split())
    line = "".join(char for char in line if char.isprintable())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
