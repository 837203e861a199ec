"""Names that Python or the generated module mean something else by, and files that hold services of both kinds."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator

import pytest

from cerebelum_engine import validate
from tests.codegen.generating import PROJECT, described, generated, write

TEXT = """syntax = "proto3";
package odd.names;
import "cerebelum/options/v1/options.proto";
import "google/protobuf/empty.proto";

message In { string class = 1; int64 from = 2; }
message Class { string text = 1; }
message Both { Class import = 1; optional Class v1 = 2; In inputs = 3; }

// Says \\"\\"\\" and ends with a "quote"
service HTTPJob {
  option (cerebelum.options.v1.workflow) = {
    inputs: "In"
    timeline: "import >> [v1, timedelta, abstractmethod] >> self"
    diverge: {from: "v1" on: "error" to: "proceed()"}
    execution_id: "{class}/{from}"
  };
  rpc Import(In) returns (Class);
  rpc V1(google.protobuf.Empty) returns (Class);
  rpc Timedelta(google.protobuf.Empty) returns (google.protobuf.Empty);
  rpc Abstractmethod(google.protobuf.Empty) returns (google.protobuf.Empty);
  rpc Self(Both) returns (Class);
  rpc Result(In) returns (Class) { option (cerebelum.options.v1.approval) = {}; }
  rpc Watch(In) returns (google.protobuf.Empty) { option (cerebelum.options.v1.signal) = {}; }
  rpc Lambda(In) returns (Class) { option (cerebelum.options.v1.approval) = {timeout: "1h30m"}; }
}

service Plain {
  rpc Get(In) returns (Class);
}
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The generated modules, where they can be imported."""
    folder = tmp_path_factory.mktemp("odd")
    options = "cerebelum/options/v1/options.proto"
    write({"odd/names.proto": TEXT, options: (PROJECT / "proto" / options).read_text()}, folder / "proto")
    made = generated(described(folder / "proto", folder / "image.binpb"))
    write(made, folder / "generated")
    sys.path.insert(0, str(folder / "generated"))
    yield made
    sys.path.remove(str(folder / "generated"))


def test_a_file_may_hold_services_of_both_kinds(files: dict[str, str]) -> None:
    assert "class PlainStub" in files["odd/names_grpc.py"]
    assert "HTTPJob" not in files["odd/names_grpc.py"]
    assert "class HTTPJobBase" in files["odd/names_workflows.py"]
    assert "Plain" not in files["odd/names_workflows.py"]


def test_odd_names_become_ones_that_python_takes(files: dict[str, str]) -> None:
    module = importlib.import_module("odd.names_workflows")
    base = vars(module)["HTTPJobBase"]
    methods = {"import_", "v1_", "timedelta_", "abstractmethod_", "self"}
    assert base.__abstractmethods__ == methods
    assert {name for name in vars(base) if not name.startswith("_")} == methods | {"result", "watch", "lambda_"}
    handle = vars(module)["HTTPJobHandle"]
    assert {name for name in vars(handle) if not name.startswith("_")} == {"result_", "watch_", "lambda_"}
    assert set(vars(module)["HTTPJobOutputs"].__dataclass_fields__) == methods


def test_the_blueprint_keeps_the_names_of_the_contract(files: dict[str, str]) -> None:
    definition = vars(importlib.import_module("odd.names_workflows"))["HTTP_JOB"]
    assert validate(definition.blueprint).errors == ()
    names = [step.name for step in definition.blueprint.definition.timeline]
    assert names == ["import", "v1", "timedelta", "abstractmethod", "self"]
    assert definition.blueprint.definition.timeline[4].depends_on == ["import", "v1"]
