"""The first schema: every table by hand, STRICT, money as TEXT decimals, times as integer milliseconds (UTC).

One-row tables carry `id INTEGER PRIMARY KEY CHECK (id = 1)`. Names of states and sides are checked here as well as in
domain/, so that no other program can write one that tradectl does not know.
"""

APPLICATION_ID = 0x74646374  # 'tdct'

TABLES: tuple[str, ...] = (
    """
    CREATE TABLE identity (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        account TEXT NOT NULL CHECK (account <> ''),
        venue TEXT NOT NULL CHECK (venue <> ''),
        environment TEXT NOT NULL CHECK (environment IN ('paper', 'testnet', 'live')),
        store_tag TEXT NOT NULL CHECK (length(store_tag) = 6 AND store_tag NOT GLOB '*[^a-z0-9]*'),
        currency TEXT NOT NULL CHECK (currency <> ''),
        venue_path TEXT,
        created_ms INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE migrations (
        version INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        applied_ms INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE journal (
        seq INTEGER PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('intent', 'outcome', 'refusal', 'state', 'operator', 'session', 'fill',
                                           'trade', 'funding', 'transfer', 'alert', 'emergency')),
        actor TEXT NOT NULL,
        subject TEXT NOT NULL,
        symbol TEXT NOT NULL,
        body TEXT NOT NULL,
        prev_hash TEXT NOT NULL CHECK (length(prev_hash) = 64),
        hash TEXT NOT NULL CHECK (length(hash) = 64)
    ) STRICT
    """,
    """
    CREATE TRIGGER journal_rows_never_change BEFORE UPDATE ON journal
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END
    """,
    """
    CREATE TRIGGER journal_rows_never_go BEFORE DELETE ON journal
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END
    """,
    """
    CREATE TABLE journal_head (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        seq INTEGER NOT NULL CHECK (seq >= 0),
        hash TEXT NOT NULL CHECK (length(hash) = 64)
    ) STRICT
    """,
    """
    CREATE TABLE lease (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        epoch INTEGER NOT NULL CHECK (epoch > 0),
        pid INTEGER NOT NULL,
        host TEXT NOT NULL,
        boot_id TEXT NOT NULL,
        process_start TEXT NOT NULL,
        acquired_ms INTEGER NOT NULL,
        heartbeat_ms INTEGER NOT NULL,
        released_ms INTEGER
    ) STRICT
    """,
    """
    CREATE TABLE latches (
        name TEXT NOT NULL CHECK (name <> ''),
        scope TEXT NOT NULL,
        set_by TEXT NOT NULL CHECK (set_by <> ''),
        set_at_ms INTEGER NOT NULL,
        reason TEXT NOT NULL,
        PRIMARY KEY (name, scope)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE intents (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        client_id TEXT NOT NULL UNIQUE CHECK (length(client_id) <= 36),
        symbol TEXT NOT NULL CHECK (symbol <> ''),
        purpose TEXT NOT NULL CHECK (purpose IN ('entry', 'stop', 'tp1', 'tp2', 'exit', 'close', 'cancel')),
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
        CHECK (purpose <> 'entry' OR (reduce_only = 0 AND close_position = 0 AND plan IS NOT NULL)),
        CHECK (purpose IN ('entry', 'cancel') OR reduce_only = 1 OR close_position = 1),
        CHECK (purpose <> 'cancel' OR cancels_order_id IS NOT NULL)
    ) STRICT
    """,
    "CREATE INDEX intents_in_doubt ON intents (number) WHERE state IN ('recorded', 'sent', 'unknown')",
    "CREATE INDEX intents_by_symbol ON intents (symbol, number)",
    "CREATE INDEX intents_by_order ON intents (order_id) WHERE order_id IS NOT NULL",
    """
    CREATE TABLE ledger (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        cursor INTEGER NOT NULL,
        gross TEXT NOT NULL,
        fees TEXT NOT NULL,
        funding TEXT NOT NULL,
        fills INTEGER NOT NULL,
        trades INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE fills (
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
        kind TEXT NOT NULL CHECK (kind IN ('trade', 'liquidation')),
        reason TEXT NOT NULL,
        realised TEXT NOT NULL,
        trade_number INTEGER NOT NULL
    ) STRICT
    """,
    "CREATE INDEX fills_by_time ON fills (at_ms)",
    """
    CREATE TABLE funding (
        funding_id TEXT PRIMARY KEY,
        seq INTEGER NOT NULL UNIQUE,
        symbol TEXT NOT NULL,
        rate TEXT NOT NULL,
        amount TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        trade_number INTEGER
    ) STRICT
    """,
    "CREATE INDEX funding_by_time ON funding (at_ms)",
    """
    CREATE TABLE transfers (
        transfer_id TEXT PRIMARY KEY,
        seq INTEGER NOT NULL UNIQUE,
        amount TEXT NOT NULL,
        at_ms INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE open_trades (
        number INTEGER PRIMARY KEY,
        symbol TEXT NOT NULL UNIQUE,
        side TEXT NOT NULL CHECK (side IN ('long', 'short')),
        opened_ms INTEGER NOT NULL,
        lot_qty TEXT NOT NULL,
        lot_cost TEXT NOT NULL,
        entry_qty TEXT NOT NULL,
        entry_cost TEXT NOT NULL,
        exit_qty TEXT NOT NULL,
        exit_proceeds TEXT NOT NULL,
        gross TEXT NOT NULL,
        fees TEXT NOT NULL,
        funding TEXT NOT NULL,
        max_qty TEXT NOT NULL,
        stop_price TEXT,
        target_price TEXT,
        risk_amount TEXT,
        entry_equity TEXT,
        naked_since_ms INTEGER,
        naked_ms INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE trades (
        number INTEGER PRIMARY KEY,
        symbol TEXT NOT NULL,
        side TEXT NOT NULL CHECK (side IN ('long', 'short')),
        opened_ms INTEGER NOT NULL,
        closed_ms INTEGER NOT NULL,
        max_qty TEXT NOT NULL,
        entry_price TEXT NOT NULL,
        exit_price TEXT NOT NULL,
        gross TEXT NOT NULL,
        fees TEXT NOT NULL,
        funding TEXT NOT NULL,
        net TEXT NOT NULL,
        exit_reason TEXT NOT NULL,
        risk_amount TEXT,
        entry_equity TEXT,
        naked_ms INTEGER NOT NULL
    ) STRICT
    """,
    "CREATE INDEX trades_by_symbol ON trades (symbol, number)",
    """
    CREATE TABLE risk (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        day TEXT NOT NULL,
        day_start_equity TEXT NOT NULL,
        day_start_estimated INTEGER NOT NULL CHECK (day_start_estimated IN (0, 1)),
        realised_today TEXT NOT NULL,
        peak_equity TEXT NOT NULL,
        last_equity TEXT NOT NULL,
        last_equity_ms INTEGER NOT NULL,
        streak INTEGER NOT NULL CHECK (streak >= 0),
        streak_at_ms INTEGER,
        daily_warned INTEGER NOT NULL CHECK (daily_warned IN (0, 1))
    ) STRICT
    """,
    """
    CREATE TABLE sessions (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        mode TEXT NOT NULL,
        config_digest TEXT NOT NULL,
        started_ms INTEGER NOT NULL,
        started_wall_ms INTEGER NOT NULL,
        entries INTEGER NOT NULL CHECK (entries >= 0),
        ended_ms INTEGER,
        end_reason TEXT NOT NULL DEFAULT ''
    ) STRICT
    """,
    "CREATE UNIQUE INDEX sessions_one_open ON sessions (ended_ms IS NULL) WHERE ended_ms IS NULL",
    """
    CREATE TABLE progress (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        cycle INTEGER NOT NULL CHECK (cycle >= 0),
        venue_ms INTEGER NOT NULL,
        wall_ms INTEGER NOT NULL
    ) STRICT
    """,
    "CREATE TABLE processed (symbol TEXT PRIMARY KEY, open_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    """
    CREATE TABLE decisions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        symbol TEXT NOT NULL,
        outcome TEXT NOT NULL,
        code TEXT NOT NULL,
        cycle INTEGER NOT NULL,
        first_at_ms INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        times INTEGER NOT NULL CHECK (times > 0),
        real_refusal INTEGER NOT NULL CHECK (real_refusal IN (0, 1)),
        eventful INTEGER NOT NULL CHECK (eventful IN (0, 1)),
        body TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX decisions_by_symbol ON decisions (symbol, id)",
    """
    CREATE TABLE decision_counts (
        hour_ms INTEGER NOT NULL,
        symbol TEXT NOT NULL,
        code TEXT NOT NULL,
        times INTEGER NOT NULL CHECK (times > 0),
        PRIMARY KEY (hour_ms, symbol, code)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE outbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at_ms INTEGER NOT NULL,
        type TEXT NOT NULL CHECK (type <> ''),
        symbol TEXT NOT NULL,
        urgent INTEGER NOT NULL CHECK (urgent IN (0, 1)),
        text TEXT NOT NULL,
        context TEXT NOT NULL,
        delivered_ms INTEGER
    ) STRICT
    """,
    "CREATE INDEX outbox_waiting ON outbox (id) WHERE delivered_ms IS NULL",
    """
    CREATE TABLE limits (
        name TEXT PRIMARY KEY,
        position INTEGER NOT NULL,
        value TEXT,
        limit_value TEXT,
        headroom TEXT,
        unit TEXT NOT NULL,
        clears TEXT NOT NULL,
        at_ms INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE account_view (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        at_ms INTEGER NOT NULL,
        body TEXT NOT NULL
    ) STRICT
    """,
)
