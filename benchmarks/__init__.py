"""What things cost, beside peers in the same run: `python -m benchmarks CASE`."""
