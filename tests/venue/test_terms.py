"""What a venue is asked and told, over real HTTP on this machine, in the dialects of two venues (promises 4 and 14)."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from decimal import Decimal

import pytest
from venue_on_loopback import KEY, OURS, PRICES, SECRET, Answer, Pauses, asked, exchange

from tradectl.config.secrets import Secret
from tradectl.domain.terms import Missing, Terms
from tradectl.errors import NotAvailable
from tradectl.sim.instruments import shipped
from tradectl.venue import client as http
from tradectl.venue import terms

D = Decimal
VENUES = ("binanceusdm", "bybit")


def missing(told: Terms) -> dict[str, Missing]:
    return {one.what: one.missing for one in told.untold}


@pytest.mark.parametrize("venue", VENUES)
def test_everything_it_tells_arrives_exactly(venue: str) -> None:
    with exchange(venue, funding="-0.000375") as on:
        told = asked(on)
    table = shipped()
    assert told.untold == ()
    assert dict(told.instruments) == {symbol: table[symbol] for symbol in PRICES}
    assert dict(told.prices) == {symbol: D(price) for symbol, price in PRICES.items()}
    assert set(told.funding.values()) == {D("-0.000375")}
    assert set(told.taker_fees.values()) == {D("0.0005")}
    assert told.equity == D("1000.5") and told.currency == "USDT"
    price, tick = D(PRICES["SOLUSDT"]), table["SOLUSDT"].tick_size
    assert told.spreads["SOLUSDT"] == 2 * tick / (2 * price + tick)
    assert told.host == on.url.removeprefix("http://") and told.environment == "testnet"
    assert told.requests == len(on.seen)


def test_limits_that_binance_lists_are_read() -> None:
    with exchange("binanceusdm", "SOLUSDT") as on:
        told = asked(on)
    assert told.requests_per_minute == 2400
    assert dict(told.conditional_orders) == {"SOLUSDT": 200}


def test_a_contract_without_a_limit_of_stops_is_a_contract_all_the_same() -> None:
    def without(answer: Answer) -> Answer:
        for row in answer.body["symbols"]:
            row["filters"] = [one for one in row["filters"] if one["filterType"] != "MAX_NUM_ALGO_ORDERS"]
        return answer

    with exchange("binanceusdm", "SOLUSDT") as on:
        on.spoil("exchangeInfo", without)
        told = asked(on)
    assert told.untold == () and set(told.instruments) == {"SOLUSDT"} and not told.conditional_orders


@pytest.mark.parametrize("venue", VENUES)
def test_only_reads_leave_and_only_to_this_machine(venue: str) -> None:
    with exchange(venue) as on:
        asked(on)
    assert {method for method, *_ in on.seen} == {"GET"}
    made = http._exchange(http.Address(venue, testnet=True, base_url="http://127.0.0.1:9/"), OURS, 5_000)
    assert {url.split("/")[2] for url in made.urls["api"].values()} == {"127.0.0.1:9"}
    with pytest.raises(Exception, match="only what reads"):
        asyncio.run(made.fetch("http://127.0.0.1:9/order", "POST"))


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("testnet", [True, False])
def test_testnet_and_live_are_other_hosts(venue: str, testnet: bool) -> None:
    hosts = {
        ("binanceusdm", True): "demo-fapi.binance.com", ("binanceusdm", False): "fapi.binance.com",
        ("bybit", True): "api-testnet.bybit.com", ("bybit", False): "api.bybit.com",
    }  # fmt: skip
    client = http.Client(http.Address(venue, testnet), None, 5_000)
    assert client.host == hosts[venue, testnet]


def test_without_a_key_only_what_anyone_may_know_is_asked() -> None:
    public = {"binanceusdm": {terms.TIERS, terms.FEES, terms.EQUITY}, "bybit": {terms.FEES, terms.EQUITY}}
    for venue, absent in public.items():
        with exchange(venue) as on:
            told = asked(on, keys=None)
        assert missing(told) == dict.fromkeys(absent, Missing.NO_KEY)
        assert not any("account" in path or "everage" in path or "ommission" in path for path in on.paths())
        assert set(told.prices) == set(PRICES)
        assert bool(told.instruments["SOLUSDT"].tiers) is (terms.TIERS not in absent)


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("skew_ms", [90_000, -3_600_000])
def test_a_clock_that_is_wrong_is_measured_and_signed_requests_bear_the_venues_time(venue: str, skew_ms: int) -> None:
    with exchange(venue, skew_ms=skew_ms) as on:
        told = asked(on)
    assert told.untold == () and told.equity == D("1000.5")
    assert told.skew_ms is not None and abs(told.skew_ms + skew_ms) < 5_000


@pytest.mark.parametrize("venue", VENUES)
def test_a_contract_that_is_not_traded_there_is_told_apart_from_one_that_is_not_told(venue: str) -> None:
    with exchange(venue, "SOLUSDT") as on:
        told = asked(on, "SOLUSDT", "NOPEUSDT")
    assert set(told.unlisted) == {"NOPEUSDT"} and set(told.instruments) == {"SOLUSDT"}
    assert told.untold == () and set(told.prices) == {"SOLUSDT"}


@pytest.mark.parametrize("venue", VENUES)
def test_an_empty_list_of_contracts_does_not_say_that_nothing_is_traded(venue: str) -> None:
    def empty(answer: Answer) -> Answer:
        (answer.body if "symbols" in answer.body else answer.body["result"])[
            "symbols" if "symbols" in answer.body else "list"
        ] = []
        return answer

    with exchange(venue, "SOLUSDT") as on:
        on.spoil("exchangeInfo", empty)
        on.spoil("instruments-info", empty)
        told = asked(on)
    assert missing(told) == {terms.MARKETS: Missing.NOT_UNDERSTOOD} and told.unlisted == {}


def test_a_wallet_without_an_account_is_not_an_empty_one() -> None:
    def without(answer: Answer) -> Answer:
        answer.body["result"]["list"] = []
        return answer

    with exchange("bybit", "SOLUSDT") as on:
        on.spoil("wallet-balance", without)
        assert missing(asked(on)) == {terms.EQUITY: Missing.NOT_UNDERSTOOD}


@pytest.mark.parametrize(
    ("venue", "change", "says"),
    [
        ("binanceusdm", {"status": "SETTLING"}, "does not trade it now ('SETTLING')"),
        ("binanceusdm", {"contractType": "CURRENT_QUARTER"}, "no perpetual contract ('CURRENT_QUARTER')"),
        ("binanceusdm", {"marginAsset": "BNB"}, "margin is in 'BNB'"),
        ("binanceusdm", {"marginAsset": "USDC", "quoteAsset": "USDC"}, "kept in USDC, and the account in USDT"),
        ("bybit", {"quoteCoin": "USDC"}, "kept in USDC, and the account in USDT"),
        ("bybit", {"status": "Closed"}, "does not trade it now ('Closed')"),
        ("bybit", {"contractType": "LinearFutures"}, "no perpetual contract ('LinearFutures')"),
    ],
)
def test_what_cannot_be_traded_is_not_taken_for_a_market(venue: str, change: dict[str, str], says: str) -> None:
    def changed(answer: Answer) -> Answer:
        for row in answer.body.get("symbols") or answer.body["result"]["list"]:
            row.update(change)
        return answer

    with exchange(venue, "SOLUSDT") as on:
        on.spoil("exchangeInfo", changed)
        on.spoil("instruments-info", changed)
        told = asked(on)
    assert says in told.unlisted["SOLUSDT"] and not told.instruments


# What goes wrong on the way, at the read of prices: what it is called, how often it was asked, whether the rest is.
FAULTS = {
    "dropped": (Answer(b"", drop=True), Missing.UNREACHABLE, False),
    "503": (Answer(b"<html>Service Unavailable</html>", 503, kind="text/html"), Missing.UNREACHABLE, False),
    "429": (Answer({"code": -1003, "msg": "Too many"}, 429, {"Retry-After": "17"}), Missing.UNREACHABLE, False),
    "an absurd wait": (
        Answer({"code": -1003, "msg": "Too many"}, 429, {"Retry-After": "9" * 5000}), Missing.UNREACHABLE, False,
    ),
    "418": (Answer({"code": -1003, "msg": "banned"}, 418), Missing.UNREACHABLE, False),
    "redirected": (Answer(b"", 302, {"Location": "http://127.0.0.1:9/"}), Missing.UNREACHABLE, False),
    "html": (Answer(b"<html>maintenance</html>", kind="text/html"), Missing.NOT_UNDERSTOOD, True),
    "nothing": (Answer(b""), Missing.NOT_UNDERSTOOD, True),
    "cut off": (Answer(b'[{"symbol": "SOLUSDT", "markPr'), Missing.NOT_UNDERSTOOD, True),
    "no object": (Answer(b"3"), Missing.NOT_UNDERSTOOD, True),
    "nested": (Answer(b"[" * 100_000), Missing.NOT_UNDERSTOOD, True),
    "an empty object": (Answer({}), Missing.NOT_UNDERSTOOD, True),
    "an empty list": (Answer([]), Missing.NOT_UNDERSTOOD, True),
    "not a number": (Answer(b'[{"symbol":"SOLUSDT","markPrice":NaN}]'), Missing.NOT_UNDERSTOOD, True),
    "no price": (Answer([{"symbol": "SOLUSDT", "lastFundingRate": "0"}]), Missing.NOT_UNDERSTOOD, True),
    "a name that is a list": (
        Answer([{"symbol": [], "markPrice": "1", "lastFundingRate": "0"}]), Missing.NOT_UNDERSTOOD, True,
    ),
    "an absurd price": (
        Answer([{"symbol": "SOLUSDT", "markPrice": "1e999999", "lastFundingRate": "0"}]), Missing.NOT_UNDERSTOOD, True,
    ),
    "an error of its own": (Answer({"code": -1121, "msg": "Invalid symbol."}, 400), Missing.NOT_UNDERSTOOD, True),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_read_that_fails_is_said_and_nothing_stands_in_for_it(fault: str) -> None:
    answer, expected, goes_on = FAULTS[fault]
    with exchange("binanceusdm", "SOLUSDT") as on:
        on.spoil("premiumIndex", answer)
        told = asked(on)
    found = missing(told)
    assert found[terms.PRICES] is expected
    assert not told.prices and not told.funding and not told.spreads
    assert told.instruments["SOLUSDT"].tick_size == shipped()["SOLUSDT"].tick_size
    assert (terms.EQUITY in found) is not goes_on
    assert (told.equity == D("1000.5")) is goes_on
    assert all("\x1b" not in one.why and "signature" not in one.why for one in told.untold)


def test_a_read_is_tried_again_once_after_a_pause() -> None:
    pauses = Pauses()
    with exchange("binanceusdm", "SOLUSDT") as on:
        on.spoil("premiumIndex", Answer(b"", 503), times=1)
        told = asked(on, pauses=pauses)
    assert told.untold == () and pauses.seconds == [1.0]


def test_a_venue_that_asks_to_be_left_alone_is() -> None:
    pauses = Pauses()
    with exchange("binanceusdm", "SOLUSDT") as on:
        on.spoil("exchangeInfo", Answer({"code": -1003, "msg": "Too many requests"}, 429, {"Retry-After": "17"}))
        told = asked(on, pauses=pauses)
    assert on.paths() == ["/fapi/v1/time", "/fapi/v1/exchangeInfo"] and pauses.seconds == []
    assert "left alone for 17 s" in told.untold[0].why


def test_a_venue_that_never_answers_does_not_hold_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TIMEOUT_MS", 300)
    with exchange("bybit", "SOLUSDT") as on:
        on.spoil("time", Answer(b"", stall=True))
        told = asked(on)
    assert set(missing(told).values()) == {Missing.UNREACHABLE} and len(on.seen) == 2
    assert "did not answer" in told.untold[0].why


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize(
    "keys", [http.Keys(Secret("another-key-000"), Secret(SECRET)), http.Keys(Secret(KEY), Secret("another-secret-0"))]
)
def test_a_key_that_is_refused_is_not_tried_again(venue: str, keys: http.Keys) -> None:
    with exchange(venue, "SOLUSDT") as on:
        told = asked(on, keys=keys)
    refused = {what for what, why in missing(told).items() if why is Missing.REFUSED}
    assert refused == {terms.FEES, terms.EQUITY} | ({terms.TIERS} if venue == "binanceusdm" else set())
    signed = [
        path
        for path in on.paths()
        if path.endswith(("leverageBracket", "commissionRate", "account", "fee-rate", "wallet-balance"))
    ]
    assert len(signed) == 1
    assert told.prices and set(told.instruments) == {"SOLUSDT"}


def test_a_key_does_not_follow_a_redirect() -> None:
    with exchange("binanceusdm", "SOLUSDT") as thief, exchange("binanceusdm", "SOLUSDT") as on:
        on.spoil("leverageBracket", Answer(b"", 302, {"Location": f"{thief.url}/fapi/v1/leverageBracket"}))
        told = asked(on)
        assert thief.seen == []
    assert terms.TIERS in missing(told)


@pytest.mark.parametrize("equity", ["0", "-3.5"])
def test_an_account_that_holds_nothing_is_no_equity_to_reckon_with(equity: str) -> None:
    with exchange("bybit", "SOLUSDT", equity=equity) as on:
        told = asked(on)
    assert told.equity is None and missing(told) == {terms.EQUITY: Missing.NONE}


def test_an_account_without_the_currency_is_told_apart_from_an_answer_without_an_account() -> None:
    for body, expected in (({"assets": [{"asset": "BNB"}]}, Missing.NONE), ({}, Missing.NOT_UNDERSTOOD)):
        with exchange("binanceusdm", "SOLUSDT") as on:
            on.spoil("account", Answer(body))
            assert missing(asked(on)) == {terms.EQUITY: expected}


def test_tiers_that_contradict_themselves_are_not_believed() -> None:
    def lower(answer: Answer) -> Answer:
        answer.body[0]["brackets"][2]["maintMarginRatio"] = 0.0001
        return answer

    def nothing_left(answer: Answer) -> Answer:
        answer.body[0]["brackets"][0]["maintMarginRatio"] = 0.5
        return answer

    for how, says in ((lower, "contradict each other"), (nothing_left, "is not below the initial margin")):
        with exchange("binanceusdm", "SOLUSDT") as on:
            on.spoil("leverageBracket", how)
            told = asked(on)
        assert missing(told) == {terms.TIERS: Missing.NOT_UNDERSTOOD} and says in told.untold[0].why
        assert told.instruments["SOLUSDT"].tiers == ()


def test_bybits_rates_are_fractions_or_percentages_and_the_leverage_says_which() -> None:
    def as_percentages(answer: Answer) -> Answer:
        for row in answer.body["result"]["list"]:
            row["maintenanceMargin"] = str(D(row["maintenanceMargin"]) * 100)
            row["initialMargin"] = str(D(row["initialMargin"]) * 100)
        return answer

    def as_neither(answer: Answer) -> Answer:
        answer.body["result"]["list"][0]["initialMargin"] = "0.3"
        return answer

    with exchange("bybit", "SOLUSDT") as on:
        on.spoil("risk-limit", as_percentages)
        assert asked(on).instruments["SOLUSDT"].tiers == shipped()["SOLUSDT"].tiers
        on.spoil("risk-limit", as_neither)
        assert missing(asked(on)) == {terms.TIERS: Missing.NOT_UNDERSTOOD}


def test_a_list_of_contracts_without_an_end_ends() -> None:
    def endless(answer: Answer) -> Answer:
        answer.body["result"]["nextPageCursor"] = "second"
        return answer

    with exchange("bybit", "SOLUSDT") as on:
        on.spoil("instruments-info", endless)
        assert missing(asked(on))[terms.MARKETS] is Missing.NOT_UNDERSTOOD


def test_a_venue_that_tradectl_does_not_speak_with_is_not_asked() -> None:
    with exchange("bybit") as on, pytest.raises(NotAvailable, match="does not speak with zoomex yet"):
        asked(replace(on, dialect="zoomex"))
    assert on.seen == []


def test_no_key_reaches_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), exchange("bybit", "SOLUSDT") as on:
        asked(on)
    assert KEY not in caplog.text and "X-BAPI" not in caplog.text
