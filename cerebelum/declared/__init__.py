"""Workflows that a proto file declares: what generated code is made of. See `cerebelum.generated.v1`."""
