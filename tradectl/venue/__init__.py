"""Venues over the wire, and the manners every venue is used with: pace and retry."""
