"""The halt file beside the store: the fence where the store itself cannot be written (promise 2).

It wins: every intent looks for it inside the transaction that would record it. Whatever is found under its name
halts, readable or not. Standard library only: the kill switch's fast path writes it.
"""

import os

from tradectl.store import files


def halt_path(store_path: str) -> str:
    return os.path.realpath(store_path) + ".halt"


def write(store_path: str, text: str) -> bool:
    """Leaves the halt file, durably. False when there is one already: its first reason stays. Raises OSError."""
    return files.write_new(halt_path(store_path), text)


def read(store_path: str) -> str | None:
    """The halt file's text; None only when there is none. One that cannot be read, or is empty, halts as well."""
    path = halt_path(store_path)
    try:
        return files.read_text(path).strip() or f"halt file {path}, no reason in it"
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"halt file {path} cannot be read ({error.strerror})"


def remove(store_path: str) -> bool:
    """Removes the halt file, durably; False when there was none. Raises OSError."""
    path = halt_path(store_path)
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    files.sync_folder(path)
    return True
