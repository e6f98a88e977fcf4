"""The type of an open transaction, for rooms that pass it on without opening one."""

from sqlite3 import Connection as Connection
