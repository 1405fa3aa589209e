"""Plumbing with no business in it: settings, database, transactions, streams, Redis, errors, clock."""
