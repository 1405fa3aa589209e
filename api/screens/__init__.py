"""Screens over HTTP."""
