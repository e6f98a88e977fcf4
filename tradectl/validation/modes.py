"""Which account a configuration means, and who is told when something happens there."""

from __future__ import annotations

from collections.abc import Iterator

from tradectl.validation.facts import Facts
from tradectl.validation.rule import Finding, error, warning

TESTNET, BASE_URL, VENUE = "perps.use_testnet", "venue.base_url", "venue.name"


def tc19(facts: Facts) -> Iterator[Finding]:
    config = facts.config
    testnet, url, sim = config.perps.use_testnet, config.venue.base_url, config.venue.name == "sim"
    if facts.mode == "testnet" and not testnet:
        yield error(
            "mode testnet with useTestnet: false would trade real money",
            f"mode {facts.mode}, perps.useTestnet {str(testnet).lower()}",
            TESTNET,
            change="perps.useTestnet: true",
        )
    if facts.live and testnet and not sim:
        yield error(
            f"mode {facts.mode} with useTestnet: true is not meant for real money",
            f"mode {facts.mode}, perps.useTestnet {str(testnet).lower()}, venue {config.venue.name}",
            TESTNET,
            VENUE,
            change="perps.useTestnet: false, in so many words, or another mode",
        )
    if url is not None and (facts.live or not testnet):
        yield error(
            "venue.baseUrl sends live orders to this machine instead of the venue",
            f"mode {facts.mode}, perps.useTestnet {str(testnet).lower()}; a base URL is for a local exchange "
            "in testnet mode only",
            BASE_URL,
            TESTNET,
            change="remove venue.baseUrl",
        )


def tc24(facts: Facts) -> Iterator[Finding]:
    if facts.live and not facts.market.channels:
        yield warning(
            "nobody is told: there is no channel that an alert could be pushed through",
            f"mode {facts.mode}; neither ALERT_WEBHOOK_URL nor TELEGRAM_BOT_TOKEN with TELEGRAM_CHAT_ID is set here",
            TESTNET,
            VENUE,
            change="set one of them in the environment that the bot and this command run in",
        )
