"""The journal's hash chain: how a row is linked to the one before, and how one is appended.

Each row's hash is SHA-256 over its fields, each as `<length in bytes>:<utf-8 text>`, beginning with the hash of the
row before. The head (number and hash of the last row) is kept apart, so that cutting the tail shows.
The kill switch's fast path appends through this module too: it imports neither hashlib nor json.
"""

try:
    from _sha256 import sha256
except ImportError:  # Python 3.12 renamed it; hashlib has it everywhere, at the price of a slower import
    try:
        from _sha2 import sha256  # type: ignore[import-not-found,no-redef,unused-ignore]
    except ImportError:
        from hashlib import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3

GENESIS = "0" * 64

_SELECT_HEAD = "SELECT seq, hash FROM journal_head WHERE id = 1"
_UPDATE_HEAD = "UPDATE journal_head SET seq = ?, hash = ? WHERE id = 1"
_INSERT = (
    "INSERT INTO journal (seq, at_ms, kind, actor, subject, symbol, body, prev_hash, hash)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_INSERT_LATCH = (
    "INSERT INTO latches (name, scope, set_by, set_at_ms, reason) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (name, scope) DO NOTHING"
)


def link(prev_hash: str, seq: int, at_ms: int, kind: str, actor: str, subject: str, symbol: str, body: str) -> str:
    """The hash of a row, 64 hexadecimal digits."""
    parts = []
    for field in (prev_hash, str(seq), str(at_ms), kind, actor, subject, symbol, body):
        data = field.encode()
        parts.append(b"%d:%b" % (len(data), data))
    return str(sha256(b"".join(parts)).hexdigest())


def append(conn: "sqlite3.Connection", at_ms: int, kind: str, actor: str, subject: str, symbol: str, body: str) -> int:
    """Appends one row inside the caller's transaction; `body` is JSON text. Returns the row's number."""
    last, prev_hash = conn.execute(_SELECT_HEAD).fetchone()
    seq = last + 1
    own = link(prev_hash, seq, at_ms, kind, actor, subject, symbol, body)
    conn.execute(_INSERT, (seq, at_ms, kind, actor, subject, symbol, body, prev_hash, own))
    conn.execute(_UPDATE_HEAD, (seq, own))
    return int(seq)


def set_latch(conn: "sqlite3.Connection", name: str, scope: str, by: str, at_ms: int, reason: str) -> bool:
    """Sets a latch and journals it in the caller's transaction. False when it was set: the first reason stays."""
    fresh = conn.execute(_INSERT_LATCH, (name, scope, by, at_ms, reason)).rowcount == 1
    result = "set" if fresh else "already set"
    body = f'{{"latch":{quote(name)},"reason":{quote(reason)},"result":"{result}","scope":{quote(scope)}}}'
    append(conn, at_ms, "state", by, f"latch:{name}", scope, body)
    return fresh


def quote(text: str) -> str:
    """`text` as a JSON string, as json.dumps(..., ensure_ascii=False) writes it."""
    out = []
    for char in text:
        if char in _ESCAPES:
            out.append(_ESCAPES[char])
        elif char < " ":
            out.append(f"\\u{ord(char):04x}")
        else:
            out.append(char)
    return '"' + "".join(out) + '"'


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f", "\b": "\\b"}
