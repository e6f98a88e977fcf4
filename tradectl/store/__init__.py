"""The one SQLite file that bot and operator share: ledger, latches, journal, intents, outbox. SQL lives here."""
