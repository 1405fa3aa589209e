"""Benchmarks of the hub against its floor and its peers; ``python -m bench --help`` lists them."""
