"""What the plugin cannot do it refuses: a sentence with the file, the line and a way out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from google.protobuf.compiler import plugin_pb2
from google.protobuf.descriptor_pb2 import EDITION_UNSTABLE, FileDescriptorProto

from cerebelum_codegen.plugin.program import generate
from tests.codegen.generating import PROJECT, TEMPLATE, described, generated, requested, run, write

MARKED = 'syntax = "proto3";\npackage a;\nimport "cerebelum/options/v1/options.proto";\n'


def refusal(tmp_path: Path, files: dict[str, str], parameter: str = "") -> str:
    write(files, tmp_path / "proto")
    response = generate(requested(described(tmp_path / "proto", tmp_path / "image.binpb"), parameter))
    assert not response.file, "what is refused is not half written"
    return response.error


def test_an_edition_that_is_not_known_is_refused() -> None:
    file = FileDescriptorProto(name="a/b.proto", syntax="editions", edition=EDITION_UNSTABLE)
    response = generate(plugin_pb2.CodeGeneratorRequest(file_to_generate=[file.name], proto_file=[file]))
    assert response.error == "a/b.proto: edition UNSTABLE is not known: the newest that is known is 2024"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param(
            'message Nap { option (cerebelum.options.v1.marker) = {status: "NAP"}; }\n',
            r"a/b\.proto:4: no message has a field for each of the markers Nap: add the missing field",
            id="a marker that nobody carries",
        ),
        pytest.param(
            'message Nap { option (cerebelum.options.v1.marker) = {status: "NAP"}; }\n'
            "enum Status { STATUS_UNSPECIFIED = 0; }\n"
            "message Result { Status status = 1; Nap nap = 2; }\n",
            r"a/b\.proto:6: message Result carries markers, but no enum .* has the values NAP: add them",
            id="a marker without a status",
        ),
    ],
)
def test_a_marker_that_cannot_travel_is_refused(tmp_path: Path, body: str, said: str) -> None:
    options = (PROJECT / "proto/cerebelum/options/v1/options.proto").read_text()
    files = {"cerebelum/options/v1/options.proto": options, "a/b.proto": MARKED + body}
    assert re.match(said, refusal(tmp_path, files))


@pytest.mark.parametrize("parameter", ["speed=fast", "map=only_a_prefix", "map"])
def test_an_option_that_is_not_known_is_named_beside_the_one_there_is(tmp_path: Path, parameter: str) -> None:
    said = refusal(tmp_path, {"a.proto": 'syntax = "proto3";\n'}, parameter)
    assert said == f"option '{parameter}' is not known: use map=PROTO_PREFIX:PYTHON_PACKAGE or pages"


@pytest.mark.parametrize("package", ["1shop", "acme-shop", "acme..shop", "/abs", ".up", "acme.class", "a b"])
def test_a_package_that_python_could_not_import_is_refused(tmp_path: Path, package: str) -> None:
    said = refusal(tmp_path, {"a.proto": 'syntax = "proto3";\n'}, f"map=shop:{package}")
    assert said.startswith(f"'{package}' cannot be a Python package: use names joined by dots")


def test_a_prefix_that_is_given_two_packages_is_refused(tmp_path: Path) -> None:
    said = refusal(tmp_path, {"a.proto": 'syntax = "proto3";\n'}, "map=shop:a,map=shop/:b")
    assert said == "option 'map=shop/:b' is at odds with an earlier one for the same prefix: keep one"


def test_two_files_that_would_become_one_module_are_refused(tmp_path: Path) -> None:
    text = 'syntax = "proto3";\n'
    said = refusal(tmp_path, {"a-b.proto": text, "a_b.proto": text})
    assert said == "a_b.proto and a-b.proto both become a_b_pb.py: rename one of them"


def test_a_package_that_python_has_of_its_own_is_refused_and_can_be_given_another_name(tmp_path: Path) -> None:
    files = {"email/v1/letter.proto": 'syntax = "proto3";\npackage email.v1;\n'}
    said = refusal(tmp_path, files)
    assert said == (
        "email/v1/letter.proto would become the Python package 'email', which Python has of its own: "
        "give it another with the option map=email:ANOTHER_PACKAGE"
    )
    described_files = described(tmp_path / "proto", tmp_path / "image.binpb")
    assert "post/v1/letter_pb.py" in generated(described_files, "map=email:post")


def test_a_file_that_the_request_does_not_describe_is_named() -> None:
    response = generate(plugin_pb2.CodeGeneratorRequest(file_to_generate=["lost.proto"]))
    assert response.error == "lost.proto is to be generated, but the request does not describe it"


def test_a_refusal_reaches_the_one_who_called_buf_without_a_traceback(tmp_path: Path) -> None:
    options = (PROJECT / "proto/cerebelum/options/v1/options.proto").read_text()
    marked = MARKED + 'message Nap { option (cerebelum.options.v1.marker) = {status: "NAP"}; }\n'
    write({"buf.gen.yaml": TEMPLATE, "proto/cerebelum/options/v1/options.proto": options}, tmp_path)
    write({"proto/a/b.proto": marked}, tmp_path)
    done = run("buf", "generate", "proto", cwd=tmp_path, check=False)
    assert done.returncode != 0
    assert "a/b.proto:4: no message has a field" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "generated").exists()
