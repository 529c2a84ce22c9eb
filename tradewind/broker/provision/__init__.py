"""Carries the cluster machine's instructions out: instances by ranked failover, bootstrap, watching, leases, release, reconciliation."""
