"""The business, written once, used by api, hub and workers alike. One room a word."""
