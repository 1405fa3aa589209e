"""Queues: tickets, counters, calls, and the board that the waiting room sees."""
