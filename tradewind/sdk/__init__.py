"""The Python side of the command line: the same requests to the same daemon, as functions with types. `import tradewind as tw` hands them on."""
