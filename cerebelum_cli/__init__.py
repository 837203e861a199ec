"""The command line."""


def main() -> None:
    """The console entry."""
