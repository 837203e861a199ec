"""What a crash costs: `python -m benchmarks recovery`."""
