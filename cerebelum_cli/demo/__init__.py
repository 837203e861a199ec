"""The demo: an order that sleeps, loses its Core to kill -9, waits for a person, and completes."""
