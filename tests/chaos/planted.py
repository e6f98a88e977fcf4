"""Faults put into the product on purpose, each one that a bot of this kind has had. The checker has to see them all.

They stand in a file for each part of the product that they break; to import a file is to plant what it has.
"""

from __future__ import annotations

import planted_books
import planted_latches
import planted_orders
import planted_protection
from planting import FAULTS, Planted

__all__ = ["FAULTS", "Planted", "planted_books", "planted_latches", "planted_orders", "planted_protection"]
