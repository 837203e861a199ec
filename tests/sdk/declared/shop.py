"""The workflows of these tests: declared in `protos/`, generated into `generated/`, where they can be read.

`python -m tests.sdk.declared.shop` writes them anew.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.codegen.generating import PROJECT, described, generated, write

HERE = Path(__file__).parent
GENERATED = HERE / "generated"


def modules() -> dict[str, str]:
    """What the plugin makes of the protos, by path."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        shutil.copytree(HERE / "protos", folder / "proto")
        shutil.copytree(PROJECT / "proto/cerebelum/options", folder / "proto/cerebelum/options")
        return generated(described(folder / "proto", folder / "image.binpb"))


def main() -> None:
    shutil.rmtree(GENERATED, ignore_errors=True)
    write(modules(), GENERATED)


if __name__ == "__main__":
    main()
