"""The foundation of all rooms: errors, seeds, the device, the cache, and helpers for the command line."""
