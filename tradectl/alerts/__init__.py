"""Alerts: committed with their cause, delivered at least once (promise 13)."""
