"""What people are told: in the product at once, and by SMS through the workers."""
