"""Two venues on this machine, in their own dialects over real HTTP: what they tell anyone, and what only a key's owner.

Contracts and tiers are the simulated exchange's, so that what is read can be compared with them. Signatures, receive
windows and the key are checked as the venues check them. `spoil` makes an endpoint misbehave.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tradectl.config.secrets import Secret
from tradectl.domain.instrument import Instrument
from tradectl.domain.terms import Terms
from tradectl.sim.instruments import shipped
from tradectl.venue import client as http
from tradectl.venue import terms

KEY, SECRET = "reader-of-loopback-7f3a", "not-a-real-secret-51c2"
PRICES = {
    "BTCUSDT": "60000.1", "ETHUSDT": "3000.01", "SOLUSDT": "150.01", "XRPUSDT": "0.5", "DOGEUSDT": "0.1",
    "BNBUSDT": "500.01", "ADAUSDT": "0.5", "LINKUSDT": "15.001", "AVAXUSDT": "25.001",
}  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """body: a value to be sent as JSON, or bytes as they are. drop: the connection is closed instead. stall: nothing
    comes until the exchange is taken down."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    stall: bool = False
    kind: str = "application/json"


@dataclass
class Exchange:
    """skew_ms: the venue's clock less ours. funding: of every contract. seen: (method, path, parameters) in order."""

    dialect: str
    instruments: Mapping[str, Instrument]
    equity: str = "1000.5"
    fee: str = "0.0005"
    funding: str = "0.0001"
    skew_ms: int = 0
    url: str = ""
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    spoilt: dict[str, Callable[[Answer], Answer]] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    down: threading.Event = field(default_factory=threading.Event)

    def spoil(self, ending: str, how: Callable[[Answer], Answer] | Answer, times: int = 10**9) -> None:
        """Every endpoint whose path ends so; `times` from now on."""
        self.spoilt[ending] = how if callable(how) else lambda _: how
        self.failures[ending] = times

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.skew_ms

    def paths(self) -> list[str]:
        return [path for _, path, _ in self.seen]

    def answer(self, method: str, target: str, headers: Mapping[str, str]) -> Answer:
        parts = urlsplit(target)
        given = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.seen.append((method, parts.path, given))
        speak = _binance if self.dialect == "binanceusdm" else _bybit
        good = speak(self, parts.path, parts.query, given, {k.lower(): v for k, v in headers.items()})
        for ending, how in self.spoilt.items():
            if parts.path.endswith(ending) and self.failures[ending] > 0:
                self.failures[ending] -= 1
                return how(good)
        return good


def _hex(text: str) -> str:
    return hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()


def _binance(on: Exchange, path: str, query: str, given: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
    if path in ("/fapi/v1/leverageBracket", "/fapi/v1/commissionRate", "/fapi/v3/account"):
        unsigned, _, signature = query.rpartition("&signature=")
        if headers.get("x-mbx-apikey") != KEY:
            return Answer({"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}, 401)
        if signature != _hex(unsigned):
            return Answer({"code": -1022, "msg": "Signature for this request is not valid."}, 400)
        if not -int(given["recvWindow"]) <= int(given["timestamp"]) - on.now_ms() <= 1000:
            return Answer({"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}, 400)
    table = {
        "/fapi/v1/time": lambda: {"serverTime": on.now_ms()},
        "/fapi/v1/exchangeInfo": lambda: {
            "timezone": "UTC",
            "serverTime": on.now_ms(),
            "rateLimits": [
                {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400},
                {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
            ],
            "symbols": [*(_binance_contract(one) for one in on.instruments.values()), _quarterly()],
        },
        "/fapi/v1/premiumIndex": lambda: [
            {"symbol": symbol, "markPrice": PRICES[symbol], "lastFundingRate": on.funding, "time": on.now_ms()}
            for symbol in on.instruments
        ],
        "/fapi/v1/ticker/bookTicker": lambda: [
            {"symbol": symbol, "bidPrice": bid, "bidQty": "9", "askPrice": ask, "askQty": "9", "time": on.now_ms()}
            for symbol, (bid, ask) in _books(on).items()
        ],
        "/fapi/v1/leverageBracket": lambda: [
            {"symbol": one.symbol, "brackets": list(_brackets(one))} for one in on.instruments.values()
        ],
        "/fapi/v1/commissionRate": lambda: {
            "symbol": given["symbol"], "makerCommissionRate": "0.0002", "takerCommissionRate": on.fee,
        },
        "/fapi/v3/account": lambda: {
            "assets": [
                {"asset": "USDT", "walletBalance": "990.5", "unrealizedProfit": "10", "marginBalance": on.equity},
                {"asset": "BNB", "walletBalance": "1", "unrealizedProfit": "0", "marginBalance": "1"},
            ]
        },
    }  # fmt: skip
    if path not in table:
        return Answer({"code": -5000, "msg": f"Path {path}, Method GET is invalid"}, 404)
    return Answer(table[path]())


def _binance_contract(one: Instrument) -> dict[str, Any]:
    lot = {"stepSize": str(one.qty_step), "minQty": str(one.min_qty)}
    return {
        "symbol": one.symbol, "contractType": "PERPETUAL", "status": "TRADING",
        "baseAsset": one.base, "quoteAsset": one.quote, "marginAsset": one.quote,
        "filters": [
            {"filterType": "PRICE_FILTER", "tickSize": str(one.tick_size), "minPrice": "0.01", "maxPrice": "999999"},
            {"filterType": "LOT_SIZE", "maxQty": str(one.max_limit_qty), **lot},
            {"filterType": "MARKET_LOT_SIZE", "maxQty": str(one.max_market_qty), **lot},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 200},
            {"filterType": "MIN_NOTIONAL", "notional": str(one.min_notional)},
        ],
    }  # fmt: skip


def _quarterly() -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT_270326", "contractType": "CURRENT_QUARTER", "status": "TRADING",
        "baseAsset": "BTC", "quoteAsset": "USDT", "marginAsset": "USDT", "filters": [],
    }  # fmt: skip


def _brackets(one: Instrument) -> Iterator[dict[str, Any]]:
    """Numbers, as the venue sends them, not text."""
    for number, tier in enumerate(one.tiers, 1):
        yield {
            "bracket": number,
            "initialLeverage": int(tier.max_leverage),
            "notionalCap": int(tier.notional_cap),
            "maintMarginRatio": float(tier.maintenance_rate),
            "cum": float(tier.maintenance_amount),
        }


def _books(on: Exchange) -> dict[str, tuple[str, str]]:
    """One tick apart around the mark."""
    return {
        symbol: (PRICES[symbol], str(Decimal(PRICES[symbol]) + one.tick_size)) for symbol, one in on.instruments.items()
    }


def _bybit(on: Exchange, path: str, query: str, given: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
    def envelope(result: object, code: int = 0, says: str = "OK") -> Answer:
        return Answer({"retCode": code, "retMsg": says, "result": result, "retExtInfo": {}, "time": on.now_ms()})

    if path in ("/v5/account/fee-rate", "/v5/account/wallet-balance"):
        at, window = headers.get("x-bapi-timestamp", ""), headers.get("x-bapi-recv-window", "")
        if headers.get("x-bapi-api-key") != KEY:
            return envelope({}, 10003, "API key is invalid.")
        if headers.get("x-bapi-sign") != _hex(at + KEY + window + query):
            return envelope({}, 10004, "error sign!")
        if not -int(window) <= int(at) - on.now_ms() < 1000:
            return envelope({}, 10002, "invalid request, please check your server timestamp or recv_window param.")
    names = list(on.instruments)
    half = max(len(names) // 2, 1)
    page = names[half:] if given.get("cursor") == "second" else names[:half]
    table = {
        "/v5/market/time": lambda: {"timeSecond": str(on.now_ms() // 1000)},
        "/v5/market/instruments-info": lambda: {
            "category": "linear",
            "list": [_bybit_contract(on.instruments[name]) for name in page],
            "nextPageCursor": "" if given.get("cursor") else "second",
        },
        "/v5/market/tickers": lambda: {
            "category": "linear",
            "list": [
                {"symbol": symbol, "markPrice": PRICES[symbol], "fundingRate": on.funding,
                 "bid1Price": bid, "ask1Price": ask, "lastPrice": bid, "openInterestValue": "22505.67"}
                for symbol, (bid, ask) in _books(on).items()
            ],
        },
        "/v5/market/risk-limit": lambda: {
            "category": "linear", "list": list(_limits(on.instruments[given["symbol"]])),
        },
        "/v5/account/fee-rate": lambda: {
            "list": [{"symbol": symbol, "takerFeeRate": on.fee, "makerFeeRate": "0.0002"} for symbol in names]
        },
        "/v5/account/wallet-balance": lambda: {
            "list": [{"accountType": "UNIFIED", "coin": [
                {"coin": "BTC", "equity": "1", "walletBalance": "1"},
                {"coin": "USDT", "equity": on.equity, "walletBalance": "990.5", "unrealisedPnl": "10"},
            ]}]
        },
    }  # fmt: skip
    return envelope(table[path]()) if path in table else Answer(b"not found", 404, kind="text/html")


def _bybit_contract(one: Instrument) -> dict[str, Any]:
    return {
        "symbol": one.symbol, "contractType": "LinearPerpetual", "status": "Trading",
        "baseCoin": one.base, "quoteCoin": one.quote, "settleCoin": one.quote,
        "priceFilter": {"tickSize": str(one.tick_size)},
        "lotSizeFilter": {
            "qtyStep": str(one.qty_step), "minOrderQty": str(one.min_qty), "minNotionalValue": str(one.min_notional),
            "maxOrderQty": str(one.max_limit_qty), "maxMktOrderQty": str(one.max_market_qty),
        },
        "leverageFilter": {"maxLeverage": str(one.tiers[0].max_leverage)},
    }  # fmt: skip


def _limits(one: Instrument) -> Iterator[dict[str, Any]]:
    for number, tier in enumerate(one.tiers, 1):
        yield {
            "id": number,
            "symbol": one.symbol,
            "riskLimitValue": str(tier.notional_cap),
            "maintenanceMargin": str(tier.maintenance_rate),
            "initialMargin": f"{1 / tier.max_leverage:.4f}",
            "maxLeverage": str(tier.max_leverage),
            "mmDeduction": str(tier.maintenance_amount) if tier.maintenance_amount else "",
        }


@contextmanager
def exchange(dialect: str, *symbols: str, **more: Any) -> Iterator[Exchange]:
    table = shipped()
    on = Exchange(dialect, {symbol: table[symbol] for symbol in symbols or PRICES}, **more)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        do_PUT = do_DELETE = do_POST

        def _serve(self) -> None:
            found = on.answer(self.command, self.path, dict(self.headers))
            if found.stall:
                on.down.wait(60)
            if found.drop or found.stall:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            body = found.body if isinstance(found.body, bytes) else json.dumps(found.body).encode()
            self.send_response(found.status)
            for name, value in {"Content-Type": found.kind, **found.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    Handler.wbufsize = -1  # headers and body in one packet
    server = Server(("127.0.0.1", 0), Handler)
    on.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield on
    finally:
        on.down.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


OURS = http.Keys(Secret(KEY), Secret(SECRET))


class Pauses:
    """How long was waited before a second try: in a test, nobody waits."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def asked(
    on: Exchange, *symbols: str, keys: http.Keys | None = OURS, pauses: Pauses | None = None, wall_ms: Any = None
) -> Terms:
    return asyncio.run(
        terms.ask(
            http.Address(on.dialect, testnet=True, base_url=on.url),
            symbols or tuple(on.instruments),
            "USDT",
            keys,
            recv_window_ms=5_000,
            wall_ms=wall_ms or (lambda: on.now_ms() - on.skew_ms),
            sleep=pauses or Pauses(),
        )
    )
