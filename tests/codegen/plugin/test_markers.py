"""A new kind of marker is a change of the contract; from there on the type checker leads the way."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.codegen.generating import PROJECT, described, generated, run, write

PACKAGES = ("cerebelum", "cerebelum_client", "cerebelum_engine", "cerebelum_core", "cerebelum_cli")
CHANGES = (
    ("  APPROVAL = 6;\n", "  APPROVAL = 6;\n  CHILD = 199;\n"),
    (
        "message TaskResult {\n",
        (
            "// A step waits for a workflow of its own.\n"
            "message ChildRequest {\n"
            '  option (cerebelum.options.v1.marker) = {status: "CHILD"};\n'
            "  string name = 1;\n"
            "}\n\n"
            "message TaskResult {\n  ChildRequest child_request = 199;\n"
        ),
    ),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our generated code as it would be with one more marker in the contract, and nothing else changed."""
    folder = tmp_path_factory.mktemp("marker")
    for source in (PROJECT / "proto").rglob("*.proto"):
        text = source.read_text()
        if source.name == "worker_service.proto":
            for old, new in CHANGES:
                assert text.count(old) == 1
                text = text.replace(old, new)
        write({str(source.relative_to(PROJECT)): text}, folder)
    ours = "map=cerebelum:cerebelum_proto"
    write(generated(described(folder / "proto", folder / "image.binpb"), ours), folder / "generated")
    for package in PACKAGES:
        (folder / package).symlink_to(PROJECT / package)
    return folder


def test_the_table_knows_the_new_marker_both_ways(folder: Path) -> None:
    trial = (
        "from cerebelum_proto.worker import worker_service_pb as pb\n"
        "from cerebelum_proto.worker.worker_service_markers import attach, detach\n"
        "result = pb.TaskResult()\n"
        "attach(result, pb.ChildRequest(name='parcel'))\n"
        "assert result.status is pb.TaskStatus.CHILD\n"
        "assert detach(pb.TaskResult.from_bytes(result.to_bytes())) == pb.ChildRequest(name='parcel')\n"
    )
    code = f"import sys; sys.path.insert(0, {str(folder / 'generated')!r})\n{trial}"
    run(sys.executable, "-c", code, cwd=folder)


def test_mypy_points_at_each_place_that_has_to_handle_it_and_at_no_other(folder: Path) -> None:
    configuration = (
        "[mypy]\nstrict = True\nexplicit_package_bases = True\nnamespace_packages = True\n"
        f"mypy_path = {folder}:{PROJECT / 'codegen'}:{folder / 'generated'}\n"
    )
    write({"mypy.ini": configuration}, folder)
    checked = run("mypy", "--config-file", "mypy.ini", *PACKAGES, cwd=folder, check=False)
    places = sorted(re.findall(r"^(\S+?):\d+: error: .*assert_never.*ChildRequest", checked.stdout, re.MULTILINE))

    assert places == ["cerebelum_client/markers.py", "cerebelum_engine/results.py"], checked.stdout
    assert checked.stdout.count(" error: ") == len(places), checked.stdout
