"""The command line: parse, call, print. A command's module is imported only when it runs, so that help and status answer at once.

Everything else a person can do here is a call into the rooms below; nothing is decided in this one.
"""
