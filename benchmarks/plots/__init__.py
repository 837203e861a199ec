"""Plots of what was measured: `python -m benchmarks growth | python -m benchmarks.plots`."""
