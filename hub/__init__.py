"""The socket door: transport, sessions, commands, channels, and the relay that feeds them."""
