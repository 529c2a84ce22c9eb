"""Ray's place for the context of the calling code."""

from tradewind.runtime.context import RuntimeContext, get_runtime_context

__all__ = ["RuntimeContext", "get_runtime_context"]
