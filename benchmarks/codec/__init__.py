"""Messages to bytes and back, ours beside those of others."""
