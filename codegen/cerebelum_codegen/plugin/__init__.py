"""`protoc-gen-cerebelum`: request -> intermediate form -> templates -> response."""

from __future__ import annotations

import sys


def main() -> None:
    """The console entry."""
    try:
        from cerebelum_codegen.plugin.program import run
    except ImportError as error:
        sys.stderr.write(f"error: the code generator needs more packages ({error}): pip install 'cerebelum[codegen]'\n")
        sys.exit(1)
    run()
