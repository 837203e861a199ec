"""HTTP/2 as gRPC needs it (RFC 9113), without I/O: bytes go in, bytes come out, and an owner is told what they mean.

Prioritization, server push and what other uses of HTTP may want are left out. Whatever a peer sends is checked before
it is believed. Compressed headers (RFC 7541) are read by the hpack library.
"""
