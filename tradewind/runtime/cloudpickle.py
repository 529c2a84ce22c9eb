"""The pickler that functions and values are sent with, where Ray's programs look for it: `import tradewind.runtime.cloudpickle as pickle`."""

from cloudpickle import *  # noqa: F403  its names are handed on whole
from cloudpickle import dump, dumps, load, loads, register_pickle_by_value, unregister_pickle_by_value

__all__ = ["dump", "dumps", "load", "loads", "register_pickle_by_value", "unregister_pickle_by_value"]
