"""The nodes of the hub: what runs where, and who is sent off it."""
