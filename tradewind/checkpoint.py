"""Checkpoints for your own code: `save` a state, `latest` gives it back after a preemption, anywhere the job runs next.

>>> from tradewind import checkpoint
>>> step, state = checkpoint.latest() or (0, {"weights": weights})  # doctest: +SKIP
>>> checkpoint.save(step + 1, {"weights": weights})  # doctest: +SKIP
"""

from __future__ import annotations

from tradewind.agent.user_checkpoint import directory, latest, save

__all__ = ["directory", "latest", "save"]
