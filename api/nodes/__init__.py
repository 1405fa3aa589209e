"""The HTTP door of the nodes room."""
