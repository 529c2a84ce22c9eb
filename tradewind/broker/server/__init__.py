"""The daemon: one per data directory, HTTP over a unix socket that only its user reaches, and the client that finds or starts it."""
