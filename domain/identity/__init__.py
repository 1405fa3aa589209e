"""Who people are, how they sign in, and when a sign-in ends."""
