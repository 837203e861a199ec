"""What a unary call costs each side, beside grpcio: `python -m benchmarks calls`."""
