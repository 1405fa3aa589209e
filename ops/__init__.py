"""The command line: start, migrate, seed, build and simulate Carebell."""
