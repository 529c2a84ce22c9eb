"""`tradewind demo`: the whole life of a job, rehearsed on this machine with the code that a real cloud will use. No cloud is touched."""
