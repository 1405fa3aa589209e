"""REST of the clinics room."""
