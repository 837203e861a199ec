"""The edges: bytes in, commands on, answers back. No decision is taken here."""
