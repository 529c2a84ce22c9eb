"""Wire forms, one family a kind of stream: between processes, between a process and its node daemon, within the cluster."""
