"""A library that lends books over gRPC."""
