"""`python -m cerebelum_codegen.compiler FOLDER`: compile what the plugin wrote there."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cerebelum_codegen.compiler.build import CompilerError, compile_generated


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m cerebelum_codegen.compiler",
        description="Compile the messages that protoc-gen-cerebelum wrote to machine code. The source stays; without "
        "the libraries beside it the same modules run as plain Python.",
    )
    parser.add_argument("folder", type=Path, help="the plugin's output, as it stands on Python's path")
    parser.add_argument("--opt-level", choices="0123", default="3", help="how hard the C compiler tries (default 3)")
    given = parser.parse_args()
    try:
        libraries = compile_generated(given.folder, given.opt_level)
    except CompilerError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(1)
    for library in libraries:
        sys.stdout.write(f"{given.folder / library}\n")


if __name__ == "__main__":
    main()
