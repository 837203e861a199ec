"""The plugin as a program: what buf, protoc and people get from it."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.compiler import plugin_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from cerebelum_codegen.plugin.program import generate
from tests.codegen.generating import PROJECT, PROTOS, TEMPLATE, generated, requested, run, write

PLUGIN = Path(sys.executable).parent / "protoc-gen-cerebelum"

OURS = "map=cerebelum:cerebelum_proto"
"""What writes the contract's own modules, which elsewhere come with the package."""


def called(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([str(PLUGIN), *arguments], input=given, capture_output=True, timeout=60, check=False)


def tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_buf_generate_writes_modules_packages_and_typing_marks(tmp_path: Path) -> None:
    run("cp", "-r", str(PROTOS), str(tmp_path / "proto"), cwd=tmp_path)
    write({"buf.gen.yaml": TEMPLATE}, tmp_path)
    for target in ("first", "second"):
        run("buf", "generate", "proto", "-o", target, cwd=tmp_path)
    first = tree(tmp_path / "first" / "generated")
    assert sorted(first) == [
        "trial/__init__.py",
        "trial/calls_descriptors.py",
        "trial/calls_grpc.py",
        "trial/calls_pb.py",
        "trial/edition_pb.py",
        "trial/kinds_pb.py",
        "trial/legacy_pb.py",
        "trial/py.typed",
    ]
    assert tree(tmp_path / "second" / "generated") == first


def test_the_module_of_a_dropped_proto_disappears(tmp_path: Path) -> None:
    write({"buf.gen.yaml": TEMPLATE.replace("plugins:", "clean: true\nplugins:")}, tmp_path)
    for name in ("kept", "dropped"):
        write({f"proto/a/{name}.proto": f'syntax = "proto3";\npackage a;\nmessage {name.title()} {{}}\n'}, tmp_path)
    run("buf", "generate", "proto", cwd=tmp_path)
    assert (tmp_path / "generated/a/dropped_pb.py").is_file()
    (tmp_path / "proto/a/dropped.proto").unlink()
    run("buf", "generate", "proto", cwd=tmp_path)
    assert sorted(tree(tmp_path / "generated")) == ["a/__init__.py", "a/kept_pb.py", "a/py.typed"]


def test_what_is_committed_is_what_the_protos_say(tmp_path: Path) -> None:
    run("buf", "generate", "-o", str(tmp_path), cwd=PROJECT)
    assert tree(tmp_path / "generated") == tree(PROJECT / "generated")


def test_the_order_of_the_files_changes_nothing(contract: FileDescriptorSet) -> None:
    forward = requested(contract, OURS)
    backward = plugin_pb2.CodeGeneratorRequest(
        file_to_generate=reversed(forward.file_to_generate), proto_file=reversed(forward.proto_file), parameter=OURS
    )
    assert generate(backward).SerializeToString() == generate(forward).SerializeToString()


def test_each_file_alone_becomes_what_it_becomes_among_the_others(contract: FileDescriptorSet) -> None:
    together = generated(contract, OURS)
    alone: dict[str, str] = {}
    for name in requested(contract).file_to_generate:
        request = plugin_pb2.CodeGeneratorRequest(file_to_generate=[name], proto_file=contract.file, parameter=OURS)
        alone |= {file.name: file.content for file in generate(request).file}
    assert alone == together


def test_what_it_writes_does_not_depend_on_the_interpreter_s_hash_seed(contract: FileDescriptorSet) -> None:
    given = requested(contract, OURS).SerializeToString()
    seen = set()
    for seed in ("1", "2"):
        done = subprocess.run(
            [str(PLUGIN)], input=given, capture_output=True, env={**os.environ, "PYTHONHASHSEED": seed}, check=True
        )
        seen.add(done.stdout)
    assert len(seen) == 1


def test_a_prefix_of_paths_can_become_another_package(trial_files: FileDescriptorSet) -> None:
    files = generated(trial_files, "map=trial:acme.gen.v1")
    assert "acme/gen/v1/kinds_pb.py" in files
    assert "acme/py.typed" in files
    assert "from acme.gen.v1 import calls_pb" in files["acme/gen/v1/calls_grpc.py"]


def test_everything_can_become_one_package_or_the_root(trial_files: FileDescriptorSet) -> None:
    below = generated(trial_files, "map=:acme.gen")
    assert {path.split("/")[0] for path in below} == {"acme"}
    assert "from acme.gen.trial import calls_pb" in below["acme/gen/trial/calls_grpc.py"]
    assert "from cerebelum_codegen.known import" in below["acme/gen/trial/calls_grpc.py"]
    root = generated(trial_files, "map=trial:")
    assert {path for path in root if "/" in path} == set()
    assert "import calls_pb" in root["calls_grpc.py"]


def test_packages_below_google_s_name_stand_beside_google_s_own(tmp_path: Path) -> None:
    text = 'syntax = "proto3";\npackage google.mine.v1;\nimport "google/protobuf/any.proto";\n'
    write({"buf.gen.yaml": TEMPLATE, "proto/google/mine/v1/x.proto": text + "message X {}\n"}, tmp_path)
    run("buf", "generate", "proto", cwd=tmp_path)
    both = "import google.mine.v1.x_pb, google.protobuf.any_pb2"
    for order in ("insert(0, 'generated')", "append('generated')"):
        run(sys.executable, "-c", f"import sys; sys.path.{order}; {both}", cwd=tmp_path)


def test_the_contract_comes_with_the_package_and_is_not_generated_beside_it(contract: FileDescriptorSet) -> None:
    assert not [path for path in generated(contract) if path.startswith("cerebelum")]
    assert "cerebelum_proto/worker/worker_service_pb.py" in generated(contract, OURS)


def test_messages_alone_bring_no_stubs(trial_files: FileDescriptorSet) -> None:
    files = generated(trial_files)
    assert "grpclib" not in files["trial/kinds_pb.py"]
    assert "rpc" not in files["trial/kinds_pb.py"]


@pytest.mark.parametrize("given", [b"garbage", b"\xff\xff\xff\xff", b"\x0a\x05ab", bytes(range(256))])
def test_bytes_that_are_no_request_are_answered_with_a_sentence(given: bytes) -> None:
    done = called(given=given)
    assert done.returncode == 1
    assert done.stdout == b""
    assert done.stderr.decode() == (
        "error: the input is not a request: let buf or protoc call this program; --help tells how\n"
    )


def test_an_empty_request_asks_for_nothing_and_gets_it() -> None:
    done = called()
    response = plugin_pb2.CodeGeneratorResponse.FromString(done.stdout)
    assert (done.returncode, list(response.file), response.error) == (0, [], "")


@pytest.mark.parametrize("asked", ["--help", "-h"])
def test_help_teaches_both_ways_to_call_it_and_each_option(asked: str) -> None:
    done = called(asked)
    text = done.stdout.decode()
    assert done.returncode == 0
    for word in ("buf.gen.yaml", "strategy: all", "protoc --cerebelum_out", "map=", "--include-path", "_markers.py"):
        assert word in text


def test_a_person_who_starts_it_in_a_terminal_gets_the_help() -> None:
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run([str(PLUGIN)], stdin=theirs, capture_output=True, timeout=60, check=True)
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.stdout == called("--help").stdout


def test_an_argument_that_it_does_not_know_is_named_beside_the_help() -> None:
    done = called("--outdir=x")
    assert done.returncode == 2
    assert b"--outdir=x" in done.stderr
    assert b"--help" in done.stderr


@pytest.mark.parametrize("asked", ["--help", "--version"])
def test_who_reads_it_may_leave_when_it_has_seen_enough(asked: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run([str(PLUGIN), asked], stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, b"")


def test_version_is_one_line() -> None:
    assert called("--version").stdout.decode().startswith("protoc-gen-cerebelum 0.")


def test_the_include_path_holds_the_options(tmp_path: Path) -> None:
    folder = Path(called("--include-path").stdout.decode().strip())
    assert (folder / "cerebelum/options/v1/options.proto").is_file()
