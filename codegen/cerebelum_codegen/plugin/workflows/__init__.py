"""Workflows declared in proto: from the options of a service to a blueprint that is known to be sound.

Imported only when a file declares a workflow: it needs the engine and the contract's own generated code, which the
plugin must be able to write without them.
"""
