"""Exact pruning: what can be in no optimal plan is dropped before the solver sees it.

Each pass is one file and one function of the signature (Problem, Pool) -> Pool; `PASSES` is their order.
"""

from tradewind.optimizer.prune.pool import Pool, Refusal
from tradewind.optimizer.prune.run import PASSES, compete, prune, usable

__all__ = ["PASSES", "Pool", "Refusal", "compete", "prune", "usable"]
