"""The programs of ``c/`` in plain Python, for machines without a compiler: same arguments, same answers, less load."""
