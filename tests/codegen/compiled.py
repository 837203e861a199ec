"""`python -m tests.codegen.compiled FOLDER`: the modules of this suite's protos, compiled as a user compiles theirs."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from cerebelum_codegen.compiler.build import compile_generated
from tests.codegen.generating import PROTOS, described, generated, write


def main(folder: Path) -> None:
    with TemporaryDirectory() as name:
        write(generated(described(PROTOS, Path(name, "image.binpb"))), folder)
    compile_generated(folder, level="0")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
