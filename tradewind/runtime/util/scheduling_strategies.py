"""Ray's place for the scheduling strategies."""

from tradewind.runtime.scheduling import NodeAffinitySchedulingStrategy

__all__ = ["NodeAffinitySchedulingStrategy"]
