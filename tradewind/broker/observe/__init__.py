"""What others see of the daemon: traces, web hooks and figures, told from its event rows."""
