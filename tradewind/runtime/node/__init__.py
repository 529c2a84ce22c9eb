"""The node daemon: leases, workers, the arena and links to other nodes, for one machine. Single-threaded; it runs no user code."""
