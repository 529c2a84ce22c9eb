"""The agent: one process on every instance. It starts the runtime, runs jobs, keeps logs and checkpoints, and holds the instance's lease.

It may import `tradewind.runtime` and `tradewind.spec`; the broker may import `tradewind.agent.protocol` and nothing else of it.
"""
