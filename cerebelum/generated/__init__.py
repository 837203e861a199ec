"""What generated modules of workflows import, by version."""
