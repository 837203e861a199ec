"""Runs where betterproto2 is installed: reads a message's name and bytes from a line, and writes what it makes of them.

python betterproto2_peer.py FOLDER_OF_GENERATED_PACKAGE
"""

from __future__ import annotations

import sys
from importlib import import_module


def main() -> None:
    sys.path.insert(0, sys.argv[1])
    for line in sys.stdin:
        full_name, _, data = line.rstrip("\n").partition(" ")
        package, _, name = full_name.rpartition(".")
        kind = getattr(import_module(f"generated.{package}"), name)
        sys.stdout.write(f"{bytes(kind.parse(bytes.fromhex(data))).hex()}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
