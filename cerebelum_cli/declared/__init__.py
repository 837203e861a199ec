"""A command line for each workflow that a proto file declares. See `cerebelum_cli.declared.v1`."""
