"""Local processes as instances: a rehearsal's machines, and this machine for `infra: local`. May import `broker.provider` and `catalog.offer`."""
