"""The second schema: positions with their targets; how orders ended; who opened a trade; fills that stand in for
others; amendments; and the settings that operators' commands need where no configuration is named.

SQLite cannot change a CHECK in place: intents and fills are built anew under their names, rows and numbers kept.
"""

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE positions (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        symbol TEXT NOT NULL CHECK (symbol <> ''),
        side TEXT NOT NULL CHECK (side IN ('long', 'short')),
        state TEXT NOT NULL CHECK (state IN ('pending', 'open', 'closing', 'closed')),
        origin TEXT NOT NULL CHECK (origin IN ('entry', 'explained', 'adopted')),
        entry_key TEXT NOT NULL,
        first_intent INTEGER,
        trade_number INTEGER,
        opened_ms INTEGER NOT NULL,
        changed_ms INTEGER NOT NULL,
        entry_qty TEXT NOT NULL,
        stop_price TEXT,
        break_even INTEGER NOT NULL CHECK (break_even IN (0, 1)),
        trailing INTEGER NOT NULL CHECK (trailing IN (0, 1))
    ) STRICT
    """,
    "CREATE UNIQUE INDEX positions_one_alive ON positions (symbol) WHERE state <> 'closed'",
    "CREATE INDEX positions_by_trade ON positions (trade_number) WHERE trade_number IS NOT NULL",
    """
    CREATE TABLE targets (
        position INTEGER NOT NULL REFERENCES positions (number),
        name TEXT NOT NULL CHECK (name IN ('tp1', 'tp2')),
        price TEXT NOT NULL,
        fraction TEXT NOT NULL,
        filled TEXT NOT NULL,
        PRIMARY KEY (position, name)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE seen_orders (
        order_id TEXT PRIMARY KEY,
        symbol TEXT NOT NULL,
        whose TEXT NOT NULL CHECK (whose IN ('foreign', 'other_store', 'stray')),
        client_id TEXT,
        first_seen_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE settings (
        name TEXT PRIMARY KEY CHECK (name <> ''),
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE intents_2 (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        client_id TEXT NOT NULL UNIQUE CHECK (length(client_id) <= 36),
        symbol TEXT NOT NULL CHECK (symbol <> ''),
        purpose TEXT NOT NULL
            CHECK (purpose IN ('entry', 'stop', 'tp1', 'tp2', 'exit', 'close', 'cancel', 'amend')),
        side TEXT NOT NULL CHECK (side IN ('buy', 'sell')),
        type TEXT NOT NULL CHECK (type IN ('market', 'limit', 'stop_market', 'take_profit_market')),
        qty TEXT,
        price TEXT,
        trigger_price TEXT,
        trigger_by TEXT CHECK (trigger_by IN ('LastPrice', 'MarkPrice', 'IndexPrice')),
        reduce_only INTEGER NOT NULL CHECK (reduce_only IN (0, 1)),
        close_position INTEGER NOT NULL CHECK (close_position IN (0, 1)),
        stop_price TEXT,
        stop_by TEXT CHECK (stop_by IN ('LastPrice', 'MarkPrice', 'IndexPrice')),
        target_price TEXT,
        target_by TEXT CHECK (target_by IN ('LastPrice', 'MarkPrice', 'IndexPrice')),
        cancels_order_id TEXT,
        reason TEXT NOT NULL,
        plan TEXT,
        created_ms INTEGER NOT NULL,
        expires_ms INTEGER NOT NULL CHECK (expires_ms >= created_ms),
        epoch INTEGER NOT NULL CHECK (epoch >= 0),
        actor TEXT NOT NULL CHECK (actor <> ''),
        state TEXT NOT NULL CHECK (state IN ('recorded', 'sent', 'confirmed', 'rejected', 'unknown', 'not_placed')),
        order_id TEXT,
        detail TEXT NOT NULL DEFAULT '',
        updated_ms INTEGER NOT NULL,
        searches INTEGER NOT NULL DEFAULT 0 CHECK (searches >= 0),
        ended TEXT CHECK (ended IN ('filled', 'canceled', 'rejected', 'expired')),
        filled TEXT,
        CHECK (purpose <> 'entry' OR (reduce_only = 0 AND close_position = 0 AND plan IS NOT NULL)),
        CHECK (purpose IN ('entry', 'cancel', 'amend') OR reduce_only = 1 OR close_position = 1),
        CHECK (purpose NOT IN ('cancel', 'amend') OR cancels_order_id IS NOT NULL)
    ) STRICT
    """,
    """
    INSERT INTO intents_2 SELECT number, client_id, symbol, purpose, side, type, qty, price, trigger_price, trigger_by,
        reduce_only, close_position, stop_price, stop_by, target_price, target_by, cancels_order_id, reason, plan,
        created_ms, expires_ms, epoch, actor, state, order_id, detail, updated_ms, searches,
        CASE WHEN state = 'confirmed' AND type = 'market' AND purpose <> 'cancel' THEN 'filled' END, NULL FROM intents
    """,
    "DELETE FROM sqlite_sequence WHERE name = 'intents_2'",
    """
    INSERT INTO sqlite_sequence (name, seq) SELECT 'intents_2', seq FROM sqlite_sequence WHERE name = 'intents'
    """,
    "DROP TABLE intents",
    "ALTER TABLE intents_2 RENAME TO intents",
    "CREATE INDEX intents_in_doubt ON intents (number) WHERE state IN ('recorded', 'sent', 'unknown')",
    "CREATE INDEX intents_by_symbol ON intents (symbol, number)",
    "CREATE INDEX intents_by_order ON intents (order_id) WHERE order_id IS NOT NULL",
    """
    CREATE INDEX intents_standing ON intents (number)
        WHERE state = 'confirmed' AND ended IS NULL AND purpose NOT IN ('cancel', 'amend')
    """,
    """
    CREATE TABLE fills_2 (
        execution_id TEXT PRIMARY KEY,
        seq INTEGER NOT NULL UNIQUE,
        order_id TEXT NOT NULL,
        client_id TEXT,
        parent_id TEXT,
        symbol TEXT NOT NULL,
        side TEXT NOT NULL CHECK (side IN ('buy', 'sell')),
        qty TEXT NOT NULL,
        price TEXT NOT NULL,
        fee TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        maker INTEGER NOT NULL CHECK (maker IN (0, 1)),
        kind TEXT NOT NULL CHECK (kind IN ('trade', 'liquidation', 'synthetic', 'adjustment')),
        reason TEXT NOT NULL,
        realised TEXT NOT NULL,
        trade_number INTEGER NOT NULL
    ) STRICT
    """,
    "INSERT INTO fills_2 SELECT * FROM fills",
    "DROP TABLE fills",
    "ALTER TABLE fills_2 RENAME TO fills",
    "CREATE INDEX fills_by_time ON fills (at_ms)",
    "CREATE INDEX fills_by_trade ON fills (trade_number)",
    "CREATE INDEX fills_by_client ON fills (client_id) WHERE client_id IS NOT NULL",
    "ALTER TABLE open_trades ADD COLUMN opener TEXT",
    # Its first fill; of a trade that was opened past flat, the fill that is entered with the trade which it closed.
    """
    UPDATE open_trades SET opener = (
        SELECT client_id FROM fills WHERE fills.rowid = coalesce(
            (SELECT min(f.rowid) FROM fills f WHERE f.trade_number = open_trades.number
                AND f.at_ms = open_trades.opened_ms),
            (SELECT max(f.rowid) FROM fills f WHERE f.symbol = open_trades.symbol AND f.at_ms = open_trades.opened_ms
                AND f.side = CASE open_trades.side WHEN 'long' THEN 'buy' ELSE 'sell' END),
            (SELECT min(f.rowid) FROM fills f WHERE f.trade_number = open_trades.number)
        )
    )
    """,
)
