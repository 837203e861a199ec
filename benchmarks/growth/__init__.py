"""What grows and what must not: stored executions, sleepers, timers: `python -m benchmarks growth|sleepers|timers`."""
