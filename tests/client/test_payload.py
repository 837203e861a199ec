"""The payload converter: what goes in comes out, exactly, as the annotation says."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, NamedTuple, Protocol, TypedDict, TypeVar
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from cerebelum_client import Converter, PayloadError, Payloads, from_payload, to_payload
from cerebelum_proto.types.v1.types_pb import Failure, Payload
from cerebelum_proto.worker.worker_service_pb import Task

_Clock = TypeVar("_Clock", datetime, time)


def unfolded(value: _Clock) -> _Clock:
    """Of a time that a clock shows twice, the first: `fold` and the name of a zone do not travel, the offset does."""
    return value.replace(fold=0)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.datetimes(timezones=st.none() | st.just(UTC) | st.just(timezone(timedelta(hours=-3, minutes=-30)))).map(
        unfolded
    )
    | st.dates()
    | st.times().map(unfolded)
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.complex_numbers(allow_nan=False)
)
keys = st.text() | st.integers() | st.booleans() | st.tuples(st.text(), st.integers()) | st.just("$")
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(keys, inner, max_size=4)
        | st.tuples(inner, inner)
        | st.sets(st.integers() | st.text(), max_size=4)
        | st.frozensets(st.integers(), max_size=4)
    ),
    max_leaves=12,
)


def same(a: object, b: object) -> bool:
    """Equal, and of the same types all the way down: 1 is not True, and -0.0 is not 0.0."""
    if type(a) is not type(b) or a != b:
        return False
    if isinstance(a, set | frozenset) and isinstance(b, set | frozenset):
        return {type(each) for each in a} == {type(each) for each in b}
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return same(list(a.items()), list(b.items()))
    return repr(a) == repr(b) or is_dataclass(a)


@given(values)
def test_any_value_comes_back_as_it_was_without_an_annotation(value: object) -> None:
    assert same(from_payload(to_payload(value)), value)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_what_json_knows_travels_as_plain_json(value: object) -> None:
    payload = to_payload(value)
    assert payload.encoding == "json"
    assert json.loads(payload.data) == value


@pytest.mark.parametrize("number", [2**53 + 1, -(2**64), 10**40])
def test_large_integers_keep_every_digit(number: int) -> None:
    assert from_payload(to_payload({"n": number}), dict[str, int]) == {"n": number}


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
def test_numbers_that_json_does_not_know_travel_too(number: float) -> None:
    assert repr(from_payload(to_payload(number))) == repr(number)


class Colour(Enum):
    RED = "red"
    GREEN = "green"


class Level(IntEnum):
    LOW = 1


class Point(NamedTuple):
    x: int
    y: int


@dataclass
class Line:
    item: str
    price: Decimal
    bought: date | None = None


@dataclass
class Circle:
    x: int
    radius: int = 1


@dataclass
class Spot:
    x: int


@dataclass
class Named:
    x: int
    name: str


class Size(TypedDict):
    width: int


class Sized(Protocol):
    width: int


@dataclass
class Order:
    number: int
    lines: list[Line]
    by_colour: dict[Colour, tuple[int, ...]] = field(default_factory=dict)
    at: datetime | None = None


ORDER = Order(
    2**60,
    [Line("lamp", Decimal("49.90"), date(2026, 1, 2)), Line("bulb", Decimal("0.10"))],
    {Colour.RED: (1, 2)},
    datetime(2026, 1, 2, 3, 4, 5, 6, UTC),
)


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (ORDER, Order),
        ([ORDER], list[Order]),
        ({"a": ORDER}, dict[str, Order]),
        ((ORDER, 1), tuple[Order, int]),
        (Colour.GREEN, Colour),
        (Level.LOW, Level),
        ({Colour.RED}, set[Colour]),
        (None, Order | None),
        (ORDER, Order | None),
        (ORDER, Annotated[Order, "with a note"]),
        (Named(3, "c"), Named | Spot),
        (Named(3, "c"), Spot | Named),
        (Spot(3), Circle | Spot),
        ([Spot(3), Circle(3)], list[Circle | Spot]),
        (Spot(3), Named | Spot | None),
        (Level.LOW, Colour | Level),
        ({"width": 3}, Size | None),
        ({"width": 3}, Circle | Size),
        (Spot(3), Size | Spot),
        ({"width": 3}, Sized | None),
        ("any", Any | None),
        ("never", date | str),
        (UUID(int=7), UUID),
        (time(1, 2, 3), time),
        (Task(task_id="t", attempt=2), Task),
    ],
)
def test_a_value_comes_back_as_its_annotation_says(value: object, annotation: object) -> None:
    assert same(from_payload(to_payload(value), annotation), value)


@pytest.mark.parametrize(
    ("sent", "annotation", "wanted"),
    [
        (3.0, int, 3),
        (3, float, 3.0),
        ("2026-01-02", date, date(2026, 1, 2)),
        ("49.90", Decimal, Decimal("49.90")),
        ("red", Colour, Colour.RED),
        ([1, 2], tuple[int, ...], (1, 2)),
        ([1, 1], set[int], {1}),
        ([1.0], Sequence[int], [1]),
        ({"1": 2.0}, Mapping[str, int], {"1": 2}),
        ({"x": 3, "radius": 2}, Spot | Circle, Circle(3, 2)),
        ({"x": 3, "unknown": 1}, Circle | Spot, Circle(3)),
        (1, Colour | Level, Level.LOW),
        ({"item": "lamp", "price": "1.5", "unknown": 1}, Line, Line("lamp", Decimal("1.5"))),
    ],
)
def test_plain_json_of_a_stranger_becomes_what_the_annotation_says(
    sent: object, annotation: object, wanted: object
) -> None:
    payload = Payload(encoding="json", data=json.dumps(sent).encode())
    assert same(from_payload(payload, annotation), wanted)


def test_no_payload_is_none() -> None:
    assert from_payload(None) is None
    assert from_payload(Payload()) is None


class Cycle(list[object]):
    def __init__(self) -> None:
        super().__init__([self])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"a": [1, threading.Lock()]}, r"value\['a'\]\[1\] is a _thread.lock, which cannot travel"),
        (Line("lamp", Decimal(1), threading.Lock()), r"value\.bought is a _thread\.lock"),  # type: ignore[arg-type]  # wrong on purpose
        (Cycle(), "nests too deep, or holds itself"),
        ("\ud800", "a lone surrogate"),
    ],
)
def test_what_cannot_travel_is_said_with_its_place(value: object, said: str) -> None:
    with pytest.raises(PayloadError, match=said):
        to_payload(value)


@pytest.mark.parametrize(
    ("payload", "annotation", "said"),
    [
        (Payload(encoding="json", data=b"{"), object, "is no JSON"),
        (Payload(encoding="json", data=b"[" * 100_000), object, "is no JSON"),
        (Payload(encoding="pickle", data=b""), object, "a payload of encoding 'pickle' cannot be read here"),
        (Payload(encoding="json+python", data=b'{"$":"rocket","v":1}'), object, "the tag 'rocket'"),
        (
            Payload(encoding="json+python", data=b'{"$":"decimal","v":"x"}'),
            object,
            "a payload's decimal cannot be",
        ),
        (to_payload(Task(task_id="t")), object, "needs its class as annotation"),
        (to_payload(Task(task_id="t")), Failure, "needs its class as annotation"),
    ],
)
def test_what_cannot_be_read_is_said_with_the_mend(payload: Payload, annotation: object, said: str) -> None:
    with pytest.raises(PayloadError, match=said):
        from_payload(payload, annotation)


class Address(BaseModel):
    street: str = Field(alias="Street")
    moved_in: date


class Customer(BaseModel):
    number: int
    balance: Decimal
    address: Address
    former: list[Address] = []
    tags: frozenset[str] = frozenset()


HOME = Address(Street="Elm Street 1", moved_in=date(2026, 1, 2))


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (Customer(number=2**70, balance=Decimal("0.10"), address=HOME, former=[HOME], tags=frozenset("a")), Customer),
        ([HOME], list[Address]),
        ({"home": HOME}, dict[str, Address]),
        (HOME, Address | None),
    ],
)
def test_a_pydantic_model_comes_back_as_its_annotation_says(value: object, annotation: object) -> None:
    assert from_payload(to_payload(value), annotation) == value


def test_a_stranger_s_json_is_validated_as_a_model() -> None:
    payload = Payload(encoding="json", data=b'{"street": "Elm Street 1", "moved_in": "2026-01-02"}')
    assert from_payload(payload, Address) == HOME
    with pytest.raises(PayloadError, match="moved_in"):
        from_payload(Payload(encoding="json", data=b'{"street": "Elm Street 1"}'), Address)


@dataclass
class Job:
    task: Task
    others: list[Task]


def test_a_message_inside_of_other_values_comes_back_exact() -> None:
    job = Job(Task(task_id="t", attempt=2), [Task(task_id="u")])
    assert from_payload(to_payload(job), Job) == job
    assert from_payload(to_payload([job.task]), list[Task]) == [job.task]
    with pytest.raises(PayloadError, match="a message cerebelum.worker.Task needs its class as annotation"):
        from_payload(to_payload([job.task]))


def test_plain_values_come_back_as_the_message_that_the_annotation_names() -> None:
    assert from_payload(to_payload({"taskId": "t", "attempt": 2}), Task) == Task(task_id="t", attempt=2)
    assert from_payload(to_payload({"task_id": "t"}), Task) == Task(task_id="t")
    with pytest.raises(PayloadError, match="does not come back as.*no_such_field"):
        from_payload(to_payload({"no_such_field": 1}), Task)


class Money:
    def __init__(self, amount: Decimal, currency: str) -> None:
        self.amount, self.currency = amount, currency

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and (self.amount, self.currency) == (other.amount, other.currency)

    __hash__ = None  # type: ignore[assignment]  # it only needs to be equal


MONEY = Converter("money", Money, lambda it: [it.amount, it.currency], lambda parts: Money(*parts))


def test_a_converter_of_one_s_own_carries_its_type_wherever_it_stands() -> None:
    payloads = Payloads([MONEY])
    price = Money(Decimal("49.90"), "EUR")
    for value, annotation in [(price, Money), ({"prices": [price]}, object), ([price], list[Money])]:
        assert payloads.read(payloads.write(value), annotation) == value


def test_what_a_converter_wrote_is_not_guessed_by_those_who_lack_it() -> None:
    written = Payloads([MONEY]).write([Money(Decimal(1), "EUR")])
    with pytest.raises(PayloadError, match="converter 'money', which is not here: pass it in converters"):
        from_payload(written)
    with pytest.raises(PayloadError, match="or pass a converter for it"):
        to_payload(Money(Decimal(1), "EUR"))


def test_two_converters_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two converters have one name"):
        Payloads([MONEY, MONEY])


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (10**5000, "value"),
        ({"a": [-(10**5000)]}, "value['a'][0]"),
        ({10**5000: 1}, "value key"),
        ((1, 10**5000), "value[1]"),
    ],
    ids=["alone", "in a list", "as a key", "in a tuple"],
)
def test_a_number_that_python_does_not_write_is_refused_with_its_place(value: object, place: str) -> None:
    with pytest.raises(PayloadError, match=rf"^{re.escape(place)} is a number of more than 4300 digits: "):
        to_payload(value)


@pytest.mark.parametrize("kind", [set, frozenset])
def test_equal_sets_travel_as_the_same_bytes_in_whatever_order_they_list_their_items(kind: type) -> None:
    one, other = kind([0, "a", 8, None]), kind([8, None, "a", 0])
    assert list(one) != list(other)
    assert to_payload(one) == to_payload(other)
