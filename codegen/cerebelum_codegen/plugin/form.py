"""The intermediate form: what a file becomes, every decision taken, before a template writes it down."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One value on the wire: a scalar, an enum, a message or a well-known type with a Python form."""

    kind: str
    """A scalar's name in proto (`int32`), or what else the templates have a form for."""
    annotation: str
    wire: int
    default: str
    """The zero value as an expression."""
    described: str
    """The type as the message's description gives it."""

    @property
    def packable(self) -> bool:
        return self.wire not in (2, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field outside of a oneof."""

    name: str
    proto_name: str
    json_name: str
    number: int
    doc: tuple[str, ...]
    value: Value
    key: Value | None = None
    repeated: bool = False
    presence: bool = False
    required: bool = False
    packed: bool = False
    declared_default: str = ""
    """What the field means when it is absent, as an expression; empty when the proto says nothing."""
    fallback: str = ""
    """The property that tells it."""

    @property
    def annotation(self) -> str:
        if self.key is not None:
            return f"dict[{self.key.annotation}, {self.value.annotation}]"
        if self.repeated:
            return f"list[{self.value.annotation}]"
        if self.value.kind == "json_value":
            return "JsonValue | NullValue"
        if self.presence:
            return f"{self.value.annotation} | None"
        return self.value.annotation

    @property
    def default(self) -> str:
        if self.key is not None:
            return "field(default_factory=lambda: {})"  # pyright takes `dict` for one of unknown types
        if self.repeated:
            return "field(default_factory=lambda: [])"
        return "None" if self.presence else self.value.default


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member of a oneof. A wrapper tells it apart when its type alone cannot."""

    name: str
    proto_name: str
    json_name: str
    number: int
    doc: tuple[str, ...]
    value: Value
    wrapper: str | None

    @property
    def annotation(self) -> str:
        return self.wrapper or self.value.annotation


@dataclass(frozen=True, slots=True, kw_only=True)
class Oneof:
    """A oneof: one attribute, a union of its members."""

    name: str
    doc: tuple[str, ...]
    alias: str
    members: tuple[Member, ...]

    @property
    def number(self) -> int:
        return min(member.number for member in self.members)

    @property
    def annotation(self) -> str:
        return f"{self.alias} | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageForm:
    """A message: its parts in the order of their numbers."""

    name: str
    full_name: str
    doc: tuple[str, ...]
    fields: tuple[Field, ...]
    oneofs: tuple[Oneof, ...] = ()
    base: str = "Message"
    demanding: bool = False
    """Whether it, or a message that it may hold, has a required field."""
    extendable: bool = False
    extended: str = ""
    """The message whose extensions these fields are."""

    @property
    def parts(self) -> list[Field | Oneof]:
        return sorted([*self.fields, *self.oneofs], key=lambda part: part.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionForm:
    """A field that a file adds to a message."""

    name: str
    holder: MessageForm
    field: Field


@dataclass(frozen=True, slots=True, kw_only=True)
class EnumMember:
    """A named number of an enum."""

    name: str
    proto_name: str
    number: int
    doc: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnumForm:
    """An enum."""

    name: str
    doc: tuple[str, ...]
    members: tuple[EnumMember, ...]
    closed: bool = False

    @property
    def renamed(self) -> dict[str, str]:
        """What the members that Python calls otherwise are called in proto."""
        return {member.name: member.proto_name for member in self.members if member.name != member.proto_name}


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One rpc of a service."""

    name: str
    proto_name: str
    doc: tuple[str, ...]
    request: str
    response: str
    client_streaming: bool
    server_streaming: bool
    idempotent: bool

    @property
    def cardinality(self) -> str:
        sides = ("UNARY", "STREAM")
        return f"{sides[self.client_streaming]}_{sides[self.server_streaming]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service."""

    name: str
    full_name: str
    doc: tuple[str, ...]
    methods: tuple[Method, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepForm:
    """An rpc that is a step. Messages are named as the module of workflows names them; empty for none."""

    name: str
    method: str
    camel: str
    doc: tuple[str, ...]
    request: str
    response: str
    takes: str
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalForm:
    """An rpc that asks people."""

    name: str
    method: str
    attribute: str
    """What the handle calls it."""
    camel: str
    doc: tuple[str, ...]
    """What its method says."""
    comment: str
    """The contract's comment as an expression; empty for none."""
    request: str
    response: str
    timeout: str
    """An expression; None for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalForm:
    """An rpc that is a message from outside."""

    name: str
    method: str
    attribute: str
    """What the handle calls it."""
    camel: str
    doc: tuple[str, ...]
    """What its methods say."""
    comment: str
    """The contract's comment as an expression; empty for none."""
    request: str
    timeout: str
    """An expression; None for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowForm:
    """A service that is a workflow."""

    name: str
    constant: str
    full_name: str
    doc: tuple[str, ...]
    inputs: str
    result: str
    """The annotation of what an execution ends with."""
    blueprint: str
    """An expression."""
    options: tuple[str, ...]
    """What else the contract says, as arguments."""
    steps: tuple[StepForm, ...]
    approvals: tuple[ApprovalForm, ...]
    signals: tuple[SignalForm, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkerForm:
    """A message that says of itself that it is a marker, and where its carrier holds it."""

    name: str
    status: str
    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """The message that carries a file's markers."""

    name: str
    status_field: str
    status_enum: str
    markers: tuple[MarkerForm, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """`from package import module as alias`."""

    package: str
    module: str
    alias: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileForm:
    """One proto file."""

    source: str
    module: str
    """The dotted path of its messages' module."""
    doc: tuple[str, ...]
    imports: tuple[Import, ...]
    enums: tuple[EnumForm, ...]
    messages: tuple[MessageForm, ...]
    extensions: tuple[ExtensionForm, ...]
    services: tuple[Service, ...]
    carrier: Carrier | None
    workflows: tuple[WorkflowForm, ...] = ()

    @property
    def classes(self) -> list[MessageForm]:
        """The messages, and those that hold extensions."""
        holders = {extension.holder.name: extension.holder for extension in self.extensions}
        return [*self.messages, *holders.values()]
