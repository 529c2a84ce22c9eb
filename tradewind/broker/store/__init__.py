"""The durable record: intents, events, leases. SQLite in WAL under one writer that holds the data directory's lock and a fencing token."""
