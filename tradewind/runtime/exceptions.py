"""What can go wrong in a call, in Ray's names.

RayError
+- RayTaskError                     user code raised; also an instance of the user's class, see `.cause`
+- TaskCancelledError
+- WorkerCrashedError               the process died under a task
|  +- OutOfMemoryError
+- RayActorError
|  +- ActorDiedError                it will not come back
|  |  +- ActorPlacementGroupRemoved its placement group was removed
|  +- ActorUnavailableError         it may come back
|  +- ActorUnschedulableError       no node can ever hold it
+- ActorAlreadyExistsError          also a ValueError
+- PendingCallsLimitExceeded        more unanswered calls than the actor's max_pending_calls
+- TaskUnschedulableError           no node can ever run it
|  +- TaskPlacementGroupRemoved     its placement group was removed
+- ObjectLostError
|  +- ObjectReconstructionFailedError
|  +- OwnerDiedError
|  +- ReferenceCountingAssertionError  also an AssertionError
+- ObjectStoreFullError
+- OutOfBandObjectRefError          a ref was pickled by other means than the runtime's; also a TypeError
+- GetTimeoutError                  also a TimeoutError
+- WaitCycleError                   tasks and actors wait for each other in a circle
+- RuntimeEnvSetupError
+- RaySystemError                   the runtime itself
   +- LocalRayletDiedError          this machine's node daemon is gone
   +- UnserializableException       an exception arrived that does not unpickle; its text did

The names at the end are Ray's for what does not happen here, or has another name here; they are there so that handlers that name them work.
"""

from __future__ import annotations

import sys
from typing import Any


class RayError(Exception):
    """Any failure that the runtime reports."""


class RaySystemError(RayError):
    """The runtime itself could not go on; the message says which part."""


class UnserializableException(RaySystemError):  # noqa: N818  Ray's name
    """User code raised an exception that does not unpickle here; the message holds its remote traceback."""


class LocalRayletDiedError(RaySystemError):
    """The node daemon of this machine is gone, and with it every worker and object here."""


class TaskCancelledError(RayError):
    """The call was cancelled before it had a result."""

    def __init__(self, message: str = "The task was cancelled.") -> None:
        super().__init__(message)


class WorkerCrashedError(RayError):
    """The worker process died while it ran the task; the message names exit code, signal and last output."""


class OutOfMemoryError(WorkerCrashedError):
    """The worker was killed because memory ran out."""


class RayActorError(RayError):
    """A call to an actor failed because of the actor, not of the method. actor_init_failed: its constructor raised."""

    preempted = False

    def __init__(self, message: str = "The actor failed.", actor_id: str = "", actor_init_failed: bool = False) -> None:
        super().__init__(message)
        self.actor_id = actor_id
        self.actor_init_failed = actor_init_failed

    @property
    def error_msg(self) -> str:
        """The whole text."""
        return str(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.actor_id, self.actor_init_failed)


class ActorDiedError(RayActorError):
    """The actor is dead and will not be restarted."""


class ActorUnavailableError(RayActorError):
    """The actor's process went away during the call; the actor may come back."""


class ActorPlacementGroupRemoved(ActorDiedError):  # noqa: N818  Ray's name
    """The actor ended, or cannot start, because its placement group was removed."""


class ActorAlreadyExistsError(ValueError, RayError):
    """A living actor has the name already."""


class PendingCallsLimitExceeded(RayError):  # noqa: N818  Ray's name
    """The caller has as many calls to the actor without an answer as max_pending_calls allows."""


class ActorUnschedulableError(RayActorError):
    """No node of the cluster could ever hold the actor."""


class TaskUnschedulableError(RayError):
    """No node of the cluster could ever run the task; the message says what was asked and what each node has."""


class TaskPlacementGroupRemoved(TaskUnschedulableError):  # noqa: N818  Ray's name
    """The task ended, or cannot start, because its placement group was removed."""


class ObjectLostError(RayError):
    """The object's bytes are gone and could not be made again."""


class ObjectReconstructionFailedError(ObjectLostError):
    """The object was lost, and running its task again failed or was not allowed."""


class OwnerDiedError(ObjectLostError):
    """The process that owned the object has ended, and the object with it."""


class ReferenceCountingAssertionError(ObjectLostError, AssertionError):
    """The owner had already let go of the object."""


class ObjectStoreFullError(RayError):
    """The object does not fit into its node's object store."""


class OutOfBandObjectRefError(RayError, TypeError):
    """A ref was pickled by other means than the runtime's: nobody would know that its object is still needed."""


class GetTimeoutError(RayError, TimeoutError):
    """`get` did not have every value in time."""


class WaitCycleError(RayError):
    """The wait would never have ended: what it waits for waits, in turn, for it. The message has the whole circle."""


class RuntimeEnvSetupError(RayError):
    """The environment that a task asked for could not be made."""


class RayTaskError(RayError):
    """User code raised. What `get` raises is of a class that is also the user's; `cause` is the user's exception."""

    def __init__(self, function: str, traceback_text: str, cause: BaseException, where: str) -> None:
        super().__init__(cause)
        self.function_name = function
        self.traceback_str = traceback_text
        self.cause = cause
        self.where = where

    def as_instanceof_cause(self) -> RayTaskError:
        """An exception that is both a RayTaskError and of the cause's class, when Python allows such a class."""
        kind = type(self.cause)
        if isinstance(self.cause, RayTaskError) or issubclass(RayTaskError, kind):
            return self
        derived = _derived.get(kind)
        if derived is None:
            try:
                derived = type(
                    f"RayTaskError({kind.__name__})",
                    (RayTaskError, kind),
                    {"__module__": __name__, "__init__": _plain_init},
                )
            except TypeError:
                return self
            _derived[kind] = derived
        try:
            made: RayTaskError = derived.__new__(derived, *_new_arguments(self.cause))
            made.__init__(self.function_name, self.traceback_str, self.cause, self.where)  # type: ignore[misc]
            # So that `.errno`, `.code` and whatever else handlers of the user's class read are there.
            for name, value in vars(self.cause).items():
                made.__dict__.setdefault(name, value)
        except Exception:  # a class with its own ideas of __new__ must not hide the user's error
            return self
        return made

    def __str__(self) -> str:
        if not self.where:
            return (
                f"{self.function_name}() did not run, because an argument of it failed:\n{self.traceback_str.rstrip()}"
            )
        return f"{self.function_name}() raised in {self.where}:\n{self.traceback_str.rstrip()}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.function_name, self.traceback_str, self.cause, self.where)


def _new_arguments(cause: BaseException) -> tuple[Any, ...]:
    """What the class of the cause cannot be made without."""
    return (cause.message, cause.exceptions) if isinstance(cause, BaseExceptionGroup) else ()


_derived: dict[type[BaseException], type[RayTaskError]] = {}


def _plain_init(self: RayTaskError, function: str, traceback_text: str, cause: BaseException, where: str) -> None:
    BaseException.__init__(self, cause)
    self.args = (cause,)
    self.function_name = function
    self.traceback_str = traceback_text
    self.cause = cause
    self.where = where


def _rebuild(function: str, traceback_text: str, cause: BaseException, where: str) -> RayTaskError:
    return RayTaskError(function, traceback_text, cause, where).as_instanceof_cause()


def describe_here(pid: int, node: str) -> str:
    """Where an error arose, for its text."""
    return f"pid {pid} on node {node[:8]} (Python {sys.version_info.major}.{sys.version_info.minor})"


class NodeDiedError(WorkerCrashedError):
    """Ray's name; here WorkerCrashedError, whose message says that the node was lost."""


class UserCodeException(RayError):  # noqa: N818  Ray's name
    """Ray's name; here RayTaskError."""


class OutOfDiskError(ObjectStoreFullError):
    """Ray's name; here ObjectStoreFullError, whose message says what the disk answered."""


class ObjectFetchTimedOutError(ObjectLostError):
    """Ray's name; here ObjectLostError."""


class ObjectFreedError(ObjectLostError):
    """Ray's name; objects are not freed by hand here."""


class PlasmaObjectNotAvailable(RayError):  # noqa: N818  Ray's name
    """Ray's name; here ObjectLostError."""


class ActorHandleNotFoundError(ValueError, RayError):
    """Ray's name; a handle of another session is found out by ActorDiedError here."""


class AsyncioActorExit(RayError):  # noqa: N818  Ray's name
    """Ray's name; exit_actor() needs it nowhere else."""


class AuthenticationError(RayError):
    """Ray's name; here ConnectionError, at init()."""


class CrossLanguageError(RayError):
    """Ray's name; only Python is spoken here."""


class RpcError(RayError):
    """Ray's name; here RaySystemError."""


class ObjectRefStreamEndOfStreamError(RayError):
    """Ray's name; here StopIteration."""


class StreamingGeneratorReplayInconsistentError(RayError):
    """Ray's name; a generator that is run again after a crash and yields fewer items simply ends earlier here."""


class RayChannelError(RaySystemError):
    """Ray's name, for compiled graphs."""


class RayChannelTimeoutError(RayChannelError, TimeoutError):
    """Ray's name, for compiled graphs."""


class RayCgraphCapacityExceeded(RaySystemError):  # noqa: N818  Ray's name
    """Ray's name, for compiled graphs."""


class RayDirectTransportError(RaySystemError):
    """Ray's name, for tensor transports."""


# Spelled as in Ray.
OufOfBandObjectRefSerializationException = OutOfBandObjectRefError

RAY_EXCEPTION_TYPES = [
    kind for kind in list(globals().values()) if isinstance(kind, type) and issubclass(kind, RayError)
]
