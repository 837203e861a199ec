"""The Core: keeps every execution as an event log and hands its steps to workers."""
