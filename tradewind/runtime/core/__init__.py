"""What a driver and a worker have in common: ownership of objects, calls over direct links, and the pump that moves messages."""
