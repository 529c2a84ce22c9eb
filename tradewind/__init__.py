"""tradewind: the cheapest machine that fits, a cluster on it, and nothing left behind.

Public names are lazy: importing the package loads nothing heavy.
"""

__version__ = "0.1.0"
