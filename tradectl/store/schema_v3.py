"""The third schema: the emergency stop, recoveries without a person, policies, go-live
checks, whose a limit is, and the wallet
that moves of equity are held against."""

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE ess (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        state TEXT NOT NULL CHECK (state IN ('DISABLED', 'ARMED', 'TRIPPED', 'COOLING_DOWN')),
        evaluator TEXT NOT NULL,
        evidence TEXT NOT NULL,
        since_ms INTEGER NOT NULL,
        by TEXT NOT NULL,
        errors INTEGER NOT NULL CHECK (errors >= 0),
        aborted INTEGER NOT NULL CHECK (aborted >= 0),
        cooled_ms INTEGER NOT NULL CHECK (cooled_ms >= 0),
        venue_ms INTEGER NOT NULL,
        wall_ms INTEGER NOT NULL
    ) STRICT
    """,
    "INSERT INTO ess VALUES (1, 'ARMED', '', '', 0, '', 0, 0, 0, 0, 0)",
    """
    CREATE TABLE recoveries (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        at_ms INTEGER NOT NULL,
        seen_ms INTEGER NOT NULL,
        halts TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE seen_time (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        total_ms INTEGER NOT NULL CHECK (total_ms >= 0),
        venue_ms INTEGER NOT NULL,
        wall_ms INTEGER NOT NULL,
        halted_ms INTEGER
    ) STRICT
    """,
    "INSERT INTO seen_time VALUES (1, 0, 0, 0, NULL)",
    """
    CREATE TABLE policies (
        version INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL,
        risk_per_trade TEXT NOT NULL,
        daily_loss TEXT NOT NULL,
        leverage TEXT NOT NULL,
        confidence_floor TEXT NOT NULL,
        set_by TEXT NOT NULL CHECK (set_by <> ''),
        reason TEXT NOT NULL,
        at_ms INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE preflights (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        at_ms INTEGER NOT NULL,
        config_digest TEXT NOT NULL,
        result TEXT NOT NULL CHECK (result IN ('green', 'amber', 'red')),
        sentence TEXT NOT NULL
    ) STRICT
    """,
    "ALTER TABLE limits ADD COLUMN source TEXT NOT NULL DEFAULT ''",
    """
    CREATE TABLE baseline (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        wallet TEXT NOT NULL,
        seq INTEGER NOT NULL
    ) STRICT
    """,
)
