"""Waiting-room screens: paired with one board by a code, and taken down again."""
