"""The head: the cluster's control store. It knows nodes, actors, names and jobs, and no call passes through it."""
