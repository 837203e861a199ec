"""Every mistake in a declared workflow is told where it stands, with a mend, and all of them at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf.compiler.plugin_pb2 import CodeGeneratorRequest

from cerebelum_codegen.plugin.program import generate
from tests.codegen.generating import PROJECT, TEMPLATE, described, run, write

HEAD = """syntax = "proto3";
package shop;
import "cerebelum/options/v1/options.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/timestamp.proto";
message Order {
  string id = 1;
  double weight = 2;
  repeated string skus = 3;
  Customer customer = 4;
  oneof o { string a = 5; }
}
message Customer { string id = 1; bool vip = 2; }
message MA { int64 n = 1; }
message MB { string text = 1; }
message MC {}
message Two { MA a = 1; MB b = 2; }
message TwoMaybe { MA a = 1; optional MB b = 2; }
message Wrong { MA a = 1; MA b = 2; repeated MC c = 3; string d = 4; oneof o { Order inputs = 5; } }
message Strange { MA a = 1; MB nobody = 2; }
service S {
  option (cerebelum.options.v1.workflow) = {
    %(option)s
  };
  %(rpcs)s
}
"""
OPTION_LINE, RPC_LINE = 23, 25
A, B, C = "rpc A(Order) returns (MA);", "rpc B(MA) returns (MB);", "rpc C(MB) returns (MC);"
ABC = f"{A} {B} {C}"
LINE = 'inputs: "Order" timeline: "a >> b >> c"'
STEP, APPROVAL = "option (cerebelum.options.v1.step)", "option (cerebelum.options.v1.approval)"
SIGNAL = "option (cerebelum.options.v1.signal)"

IN_OPTIONS: list[tuple[str, int | None, str]] = [
    ('inputs: "Order" timeline: "a >> b >> z"', 0, "'z' is no step of S: declare an rpc for it"),
    ('inputs: "Order" timeline: "a >> b >> C"', 0, "'C' is no step of S: did you mean 'c'?"),
    ('inputs: "Order" timeline: "a >> b"', None, "rpc C stands nowhere: put 'c' on the timeline"),
    ('inputs: "Order" timeline: "a >> [b, c"', 0, "the timeline: 'a >> [b, c' ends where something is missing"),
    ('inputs: "Order" timeline: "a > b >> c"', 0, "'a > b >> c' has '>', which means nothing there"),
    ('inputs: "Order" timeline: "a b >> c"', 0, "'a b >> c' has 'b' where >> or its end is expected"),
    ('inputs: "Order" timeline: ""', 0, "the timeline: it is empty: write steps, as in a >> [b, c] >> d"),
    (
        'inputs: "Order" timeline: "a >> [b, c]"',
        None,
        "rpc C takes shop.MB: step 'b' gives one, but does not come before it",
    ),
    ('inputs: "Order" timeline: "a >> b >> a >> c"', 0, "step 'a' stands in 2 stages"),
    ('timeline: "a >> b >> c"', -1, 'S does not say what it is started with: add inputs: "Order"'),
    ('inputs: "Nobody" timeline: "a >> b >> c"', 0, "there is no message 'Nobody' here: import the file"),
    ('inputs: "google.protobuf.Timestamp" timeline: "a >> b >> c"', 0, "cannot travel between steps by itself"),
    (f'{LINE} deadline: "soon"', 0, "deadline: 'soon' is no duration: write numbers with units, as in 500ms"),
    (f'{LINE} deadline: "0s"', 0, "deadline: '0s' is no time at all"),
    (f'{LINE} deadline: "99999d"', 0, "deadline: '99999d' is longer than a century"),
    (f'{LINE} queue: "two words"', 0, "queue 'two words' is no name: give it 1 to 100 of the letters"),
    (f"{LINE} max_visits: -1", 0, "max_visits is -1; it cannot be negative"),
    (f'{LINE} execution_id: "order"', 0, "execution_id 'order' is the same for every execution"),
    (f'{LINE} execution_id: "{{order_id}}"', 0, "'{order_id}': shop.Order has no field 'order_id'"),
    (f'{LINE} execution_id: "{{id"', 0, "'{id' has a brace without its other"),
    (f'{LINE} execution_id: "{{}}"', 0, "'{}' names no field"),
    (f'{LINE} execution_id: "{{weight}}"', 0, "'weight' is of a type that is no id: name a string"),
    (f'{LINE} execution_id: "{{skus}}"', 0, "'skus' of shop.Order holds many values"),
    (f'{LINE} execution_id: "{{customer}}"', 0, "'customer' is of a type that is no id"),
    (f'{LINE} execution_id: "{{customer.name}}"', 0, "shop.Customer has no field 'name'"),
    (f'{LINE} execution_id: "{{id.x}}"', 0, "'id' of shop.Order is no message, so it has no 'x'"),
    (f'{LINE} execution_id: "{{a}}"', 0, "'a' of shop.Order stands in a oneof"),
    (f'{LINE} diverge: {{from: "z" on: "x" to: "end()"}}', 0, "'z' is no step of S"),
    (f'{LINE} diverge: {{from: "a" on: "x" to: "z"}}', 0, "'z' is no step of S"),
    (f'{LINE} diverge: {{from: "a" on: "x" to: "back_to(z)"}}', 0, "'z' is no step of S"),
    (f'{LINE} diverge: {{from: "a" on: "x" to: "stop()"}}', 0, "'stop()' is no action: write retry()"),
    (f'{LINE} diverge: {{from: "a" on: "x" to: "fail(b)"}}', 0, "'fail(b)' is no action"),
    (f'{LINE} diverge: {{from: "a" on: "x" to: "end() b"}}', 0, "has 'b' where >> or its end is expected"),
    (f'{LINE} diverge: {{on: "x" to: "end()"}}', 0, "a rule lacks 'from': add it"),
    (f'{LINE} diverge: {{from: "a" to: "end()"}}', 0, "a rule lacks 'on': add it"),
    (f'{LINE} branch: {{from: "a" to: "end()"}}', 0, "a rule lacks 'when': add it"),
    (f'{LINE} diverge: {{from: "a" on: "_" to: "end()"}}', None, "step 'b' is never reached"),
    (f'{LINE} diverge: {{from: "b" on: "_" to: "retry()"}}', None, "step 'c' is never reached"),
    (
        f'{LINE} diverge: {{from: "c" on: "x" to: "skip_to(a)"}}',
        0,
        "skip_to('a') from 'c' leads back: write back_to",
    ),
    (f'{LINE} diverge: {{from: "c" on: "_" to: "back_to(a)"}}', None, "step 'c' can never come to an end"),
    (
        f'{LINE} diverge: {{from: "a" on: "_" to: "end()"}}\n diverge: {{from: "a" on: "x" to: "end()"}}',
        1,
        "pattern 'x' can never match after '_'",
    ),
    (
        f'{LINE} diverge: {{from: "a" on: "x" to: "skip_to(c)"}}',
        None,
        "step 'c' depends on 'b', which may have no result",
    ),
    (f'{LINE} branch: {{from: "a" when: "a.m > 1" to: "end()"}}', 0, "shop.MA has no field 'm'"),
    (
        f'{LINE} branch: {{from: "a" when: "inputs.customer.age > 1" to: "end()"}}',
        0,
        "shop.Customer has no field 'age'",
    ),
    (f'{LINE} branch: {{from: "a" when: "a.n >" to: "end()"}}', 0, "condition 'a.n >' of 'a': "),
    (f'{LINE} branch: {{from: "a" when: "a.n" to: "end()"}}', 0, "not a yes or no"),
    (
        f'{LINE} branch: {{from: "a" when: "a.n > \'x\'" to: "end()"}}',
        0,
        "> cannot be applied to a whole number and a text",
    ),
    (f'{LINE} branch: {{from: "a" when: "b.text == \'\'" to: "end()"}}', 0, "the worker has no answer of 'b' here"),
    (
        f'{LINE} branch: {{from: "a" when: "order.id == \'\'" to: "end()"}}',
        0,
        "'order.id' is unknown: name `inputs` or a step",
    ),
]
IN_RPCS: list[tuple[str, str]] = [
    (f"{A} rpc B(stream MA) returns (MB); {C}", "rpc B streams"),
    (f"{A} rpc B(MA) returns (stream MB); {C}", "rpc B streams"),
    (
        f"{A} rpc B(Customer) returns (MB); {C}",
        "rpc B takes shop.Customer: neither the inputs (shop.Order) nor a step before it gives one",
    ),
    (
        f"{A} rpc B(MA) returns (MA); rpc C(MA) returns (MC);",
        "rpc C takes shop.MA: 'a' and 'b' give one each: say which with takes: \"a\"",
    ),
    (
        f"rpc A(Order) returns (Order); rpc B(Order) returns (MB); {C}",
        "rpc B takes shop.Order: the inputs and 'a' give one each: say which with takes: \"inputs\"",
    ),
    (
        f'{A} rpc B(MA) returns (MB) {{ {STEP} = {{takes: "inputs"}}; }} {C}',
        "rpc B takes shop.MA: takes names the inputs, which gives shop.Order",
    ),
    (
        f'{A} rpc B(MA) returns (MB) {{ {STEP} = {{takes: "z"}}; }} {C}',
        "rpc B takes shop.MA: takes names 'z', which is no step",
    ),
    (
        f'{A} rpc B(google.protobuf.Empty) returns (MB) {{ {STEP} = {{takes: "a"}}; }} {C}',
        "rpc B takes google.protobuf.Empty: takes names 'a', but such a request takes nothing: leave it out",
    ),
    (
        f"{A} {B} rpc C(Wrong) returns (MC);",
        "its field 'b' does not hold shop.MB, which step 'b' gives",
    ),
    (
        f"{A} {B} rpc C(Wrong) returns (MC);",
        "its field 'd' is called like no step",
    ),
    (
        f"{A} {B} rpc C(Wrong) returns (MC);",
        "its field 'inputs' stands in a oneof",
    ),
    (
        f"{A} {B} rpc C(Strange) returns (MC);",
        "its field 'nobody' is called like no step",
    ),
    (f"{A} rpc B(Two) returns (MB); {C}", "depend on each other in a cycle"),
    (
        f'{A} rpc B(MA) returns (MB) {{ {STEP} = {{start_to_close: "5"}}; }} {C}',
        "start_to_close: '5' is no duration",
    ),
    (
        f'{A} rpc B(MA) returns (MB) {{ {STEP} = {{retry: {{max_interval: "x"}}}}; }} rpc C(MB) returns (MC);',
        "max_interval: 'x' is no duration",
    ),
    (
        f"{A} rpc B(MA) returns (MB) {{ {STEP} = {{retry: {{backoff: 0.5}}}}; }} {C}",
        "step 'b': backoff is 0.5; it is a factor from 1 to 1000",
    ),
    (f'{ABC} rpc D(MA) returns (MB) {{ {APPROVAL} = {{timeout: "x"}}; }}', "timeout: 'x' is no duration"),
    (f'{A} rpc B(MA) returns (MB) {{ {STEP} = {{queue: "-"}}; }} {C}', "queue '-' is no name: give it 1 to 100"),
    (f"{ABC} rpc D(MA) returns (MB) {{ {APPROVAL} = {{}}; {STEP} = {{}}; }}", "rpc D is a step and an approval"),
    (f"{ABC} rpc D(MA) returns (MB) {{ {SIGNAL} = {{}}; }}", "rpc D is a signal, which nobody answers: return google."),
    (
        f'{ABC} rpc D(MA) returns (google.protobuf.Empty) {{ {SIGNAL} = {{timeout: "x"}}; }}',
        "timeout: 'x' is no duration",
    ),
    (
        f"{ABC} rpc D(MA) returns (google.protobuf.Empty) {{ {SIGNAL} = {{}}; {APPROVAL} = {{}}; }}",
        "rpc D is an approval and a signal: leave one option out",
    ),
    (
        f"{A} rpc B(MA) returns (google.protobuf.Timestamp); rpc C(MA) returns (MC);",
        "google.protobuf.Timestamp cannot travel between steps by itself",
    ),
    (f"{ABC} rpc a(Order) returns (MA);", "rpc a is called 'a', as A is: rename one"),
    (
        f"{A} {B} rpc Context(MA) returns (MC); {C}",
        "rpc Context stands nowhere",
    ),
]
MANY = (
    'inputs: "Order"\n timeline: "a >> b >> z"\n deadline: "soon"\n diverge: {from: "y" on: "_" to: "end("}',
    f'{A}\nrpc B(stream MA) returns (MB);\nrpc C(MB) returns (MC) {{\n{STEP} = {{heartbeat: "1"}};\n}}',
)
SOUND = (
    f'{LINE} diverge: {{from: "b" on: "error" to: "proceed()"}} execution_id: "{{customer.id}}"',
    f"{A} {B} rpc C(TwoMaybe) returns (MC);",
)
LACKING = (f'{LINE} diverge: {{from: "b" on: "error" to: "proceed()"}}', f"{A} {B} rpc C(Two) returns (MC);")
HIDING = (
    f'{LINE} deadline: "soon" execution_id: "x/{{nobody}}" diverge: {{from: "a" on: "_" to: "end()"}}',
    ABC,
)
LATE = (
    'inputs: "Order" timeline: "a >> c >> b"',
    f"{A} rpc C(TwoMaybe) returns (MC); rpc B(MA) returns (MB);",
    "'b', which never has a result by then: let 'b' run before it, or leave out the field 'b' of shop.TwoMaybe",
)
ELSEWHERE = (
    'inputs: "Order" timeline: "a >> c" diverge: {from: "a" on: "no" to: "b"}',
    f"{A} rpc B(Order) returns (MB); rpc C(TwoMaybe) returns (MC);",
    LATE[2],
)
ITSELF_FAILED = (
    'inputs: "Order" timeline: "a >> b" diverge: {from: "b" on: "error" to: "c"}',
    f"{A} {B} rpc C(TwoMaybe) returns (MC);",
    LATE[2],
)
NEEDED = (ELSEWHERE[0], ELSEWHERE[1].replace("TwoMaybe", "Two"), LATE[2].replace("TwoMaybe", "Two"))
TAKEN = (
    ELSEWHERE[0],
    f'{A} rpc B(Order) returns (MB); rpc C(MB) returns (MC) {{ {STEP} = {{takes: "b"}}; }}',
    "never has a result by then: let 'b' run before it, or take another answer",
)
IN_VAIN = [LATE, ELSEWHERE, ITSELF_FAILED, NEEDED, TAKEN]
ASKED, SENT = (
    f"{A} {B} rpc C(MB) returns (google.protobuf.Empty) {{ {option} = {{}}; }}" for option in (APPROVAL, SIGNAL)
)
OTHERS = [(LINE, ASKED), (LINE, SENT), MANY, SOUND, LACKING, HIDING, *((option, rpcs) for option, rpcs, _ in IN_VAIN)]
OPTIONS = "cerebelum/options/v1/options.proto"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], list[str]]:
    """What is told about each of the workflows above, all of them built together."""
    folder = tmp_path_factory.mktemp("faults")
    cases = [(option, ABC) for option, _, _ in IN_OPTIONS] + [(LINE, rpcs) for rpcs, _ in IN_RPCS] + OTHERS
    written = {f"s{at}.proto": text_of(option, rpcs, f"shop{at}") for at, (option, rpcs) in enumerate(cases)}
    write(written | {OPTIONS: (PROJECT / "proto" / OPTIONS).read_text()}, folder / "proto")
    files = described(folder / "proto", folder / "image.binpb")

    def told(option: str, rpcs: str) -> list[str]:
        at = cases.index((option, rpcs))
        response = generate(CodeGeneratorRequest(file_to_generate=[f"s{at}.proto"], proto_file=files.file))
        assert bool(response.error) is not bool(response.file), "what is refused is not half written"
        return response.error.replace(f"shop{at}", "shop").replace(f"s{at}.proto", "s.proto").splitlines()

    return told


def text_of(option: str, rpcs: str, package: str) -> str:
    text = HEAD.replace("package shop;", f"package {package};") % {"option": option, "rpcs": rpcs}
    return text.replace("shop.", f"{package}.")


@pytest.mark.parametrize(("option", "line", "fault"), IN_OPTIONS)
def test_a_mistake_in_the_service_s_option(
    told: Callable[[str, str], list[str]], option: str, line: int | None, fault: str
) -> None:
    place = f"s.proto:{RPC_LINE if line is None else OPTION_LINE + line}: "
    found = told(option, ABC)
    assert any(each.startswith(place) and fault in each for each in found), found


@pytest.mark.parametrize(("rpcs", "fault"), IN_RPCS)
def test_a_mistake_in_an_rpc(told: Callable[[str, str], list[str]], rpcs: str, fault: str) -> None:
    found = told(LINE, rpcs)
    assert any(each.startswith(f"s.proto:{RPC_LINE}: ") and fault in each for each in found), found


def test_all_mistakes_are_told_at_once_each_with_its_line(told: Callable[[str, str], list[str]]) -> None:
    lines = [each.split(":")[1] for each in told(*MANY)]
    assert sorted(lines) == ["24", "25", "26", "29", "30", "31"]


def test_a_bad_duration_hides_nothing_of_the_rest(told: Callable[[str, str], list[str]]) -> None:
    found = [fault.split(": ")[1] for fault in told(*HIDING)]
    assert found == [
        "deadline",
        "execution_id 'x/{nobody}'",
        "step 'b' is never reached",
        "step 'c' is never reached",
    ]


def test_what_is_sound_is_written(told: Callable[[str, str], list[str]]) -> None:
    assert told(*SOUND) == []


def test_a_missing_answer_is_mended_in_proto_s_own_words(told: Callable[[str, str], list[str]]) -> None:
    (found,) = told(*LACKING)
    assert "write 'optional' before the field 'b' of shop.Two" in found


@pytest.mark.parametrize(
    ("option", "rpcs", "fault"),
    IN_VAIN,
    ids=["it stands later", "on another way", "it gave nothing there", "it is needed", "it is named by takes"],
)
def test_an_answer_that_is_never_there_is_no_field_to_wait_for(
    told: Callable[[str, str], list[str]], option: str, rpcs: str, fault: str
) -> None:
    (found,) = told(option, rpcs)
    assert found.startswith(f"s.proto:{RPC_LINE}: step 'c' depends on ")
    assert found.endswith(fault)


def test_names_that_would_meet_in_the_module_are_refused(tmp_path: Path) -> None:
    one = text_of(LINE, ABC, "shop")
    other = one[one.index("service S") :].replace("service S", "service s")
    options = (PROJECT / "proto" / OPTIONS).read_text()
    write({"s.proto": one + other, OPTIONS: options}, tmp_path / "proto")
    files = described(tmp_path / "proto", tmp_path / "image.binpb")
    response = generate(CodeGeneratorRequest(file_to_generate=["s.proto"], proto_file=files.file))
    assert re.match(r"s\.proto:\d+: two things would be called S: rename a service or an rpc", response.error)


def test_it_reaches_whoever_called_buf(tmp_path: Path) -> None:
    text = text_of('inputs: "Order" timeline: "a >> z"', ABC, "shop")
    options = (PROJECT / "proto" / OPTIONS).read_text()
    write({"buf.gen.yaml": TEMPLATE, "proto/s.proto": text, f"proto/{OPTIONS}": options}, tmp_path)
    done = run("buf", "generate", "proto", cwd=tmp_path, check=False)
    assert done.returncode != 0
    assert f"s.proto:{OPTION_LINE}: 'z' is no step of S" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("rpcs", "what"), [(ASKED, "it is an approval, which a step asks"), (SENT, "it is a signal")])
def test_an_rpc_that_is_no_step_has_no_place_on_the_timeline(
    told: Callable[[str, str], list[str]], rpcs: str, what: str
) -> None:
    assert told(LINE, rpcs)[0].startswith(f"s.proto:{OPTION_LINE}: 'c' is no step of S: {what}")
