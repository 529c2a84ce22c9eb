"""Pure state machines of what the broker keeps true: (state, event) -> (state, instructions), tables as data. No I/O, no clock."""
