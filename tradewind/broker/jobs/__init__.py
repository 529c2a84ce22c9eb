"""Managed jobs: the queue, recovery strategies, what a job has cost."""
