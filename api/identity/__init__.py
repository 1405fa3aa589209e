"""Identity over HTTP: accounts, sign-in, tokens and cookies."""
