"""The HTTP door of the audit."""
