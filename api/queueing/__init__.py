"""REST of the queueing room."""
