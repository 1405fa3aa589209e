"""The audit: who did what, and who was refused. Rooms call ``actions.write_entry`` in the transaction of the thing."""
