"""Ray's place for the type of refs, for annotations: `ObjectRef[int]`."""

from tradewind.runtime.object_ref import ObjectRef

__all__ = ["ObjectRef"]
