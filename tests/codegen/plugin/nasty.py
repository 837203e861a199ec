"""Proto files with names and comments that mean something to Python, or to the code that is generated."""

from __future__ import annotations

NASTY = {
    # At the root, without a package, imported by another and served.
    "bare.proto": """
syntax = "proto3";
message Bare { string name = 1; }
service BareService { rpc Get(Bare) returns (Bare); }
""",
    "acme/names.proto": '''
syntax = "proto3";
// A "package" \\ with """quotes""" and a \\N{bell} and "its end"
package acme;
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/empty.proto";

// "quoted"
message Fields {
  string list = 1; // ends with a "quote"
  bytes bytes = 2; // ends with a backslash \\
  string self = 3; // """
  string from = 4; // \'\'\'
  string class = 5; // a \\u0041 and a \\x
  repeated string dict = 6;
  map<string, string> str = 7;
  int32 int = 8;
  string type = 9 [deprecated = true];
  string id = 10;
  int64 len = 11;
  bool bool = 12;
  double float = 13;
  string field = 14;
  string None = 15;
  string True = 16;
  string x = 17;
  bytes n = 18;
  string at = 19;
  repeated int32 data = 20;
  repeated Leaf out = 21;
  string end = 22;
  optional string cls = 23;
  string FULL_NAME = 24;
  string to_bytes = 25;
  string from_bytes = 26;
  string merge_from_bytes = 27;
  string to_json = 28;
  string __init__ = 29;
  string _merge = 30;
  string __x = 31;
  string _ = 32;
  string match = 33;
  string property = 34;
  google.protobuf.Struct Mapping = 35;
  google.protobuf.Timestamp Timestamp = 36;
  google.protobuf.Value JsonValue = 37;
  string ClassVar = 38;
  string Message = 39;
  Leaf Leaf = 40;
  Color Color = 41;
  string names_pb = 42;
  string fields = 44;
  string dataclass = 45;
  string error = 46;
  string depth = 47;
  string object = 48;
  string super = 49;
  string _unknown = 50;
  oneof oneof {
    string lambda = 60;
    Leaf async = 61;
    bytes value = 62;
  }
  string a_value = 71;
  string a = 72;
  repeated string a_item = 73;
  map<string, Fields> entry = 74;
}

message Leaf { string name = 1; }

/* a
   "block"

   of """ lines \\ */
message Enum { Color value = 1; }
message str { string str = 1; repeated str more = 2; }
message int { int32 int = 1; map<int32, int> more = 2; }
message field { repeated string field = 1; }
message list { repeated string list = 1; repeated list lists = 2; }
message dict { map<string, string> dict = 1; map<string, dict> dicts = 2; }
message Message { Message message = 1; }
message Mapping { google.protobuf.Struct mapping = 1; }
message Timestamp { google.protobuf.Timestamp timestamp = 1; }
message Empty { google.protobuf.Empty empty = 1; }
message JsonValue { google.protobuf.Value value = 1; }
message Exception { string exception = 1; }
message TypeError { string error = 1; oneof it { string a = 2; } }
message None { None none = 1; }
message type { type type = 1; }
message len { bytes len = 1; }
message dataclass { string x = 1; }
message x { x x = 1; repeated x xs = 2; bytes b = 3; }
message n { string n = 1; n more = 2; }
message data { repeated data data = 1; }
message at { at at = 1; }
message stop { map<string, stop> stop = 1; }
message names_pb { names_pb names_pb = 1; }
message xs_item { repeated xs_item xs = 1; }
message ClassVar { string a = 1; }
message TypeAlias { oneof kind { string a = 1; } }
message Nothing {}
message _Hidden { string a = 1; }
message DecodeError { string a = 1; }
message TimeoutError { string a = 1; }
message AsyncIterator { AsyncIterator it = 1; }
message timedelta { timedelta it = 1; }
message abstractmethod { abstractmethod it = 1; }
message assert_never { assert_never it = 1; }
message Replaced { string replace = 1; string stop_ = 2; }

// Everything here wants to be called Outer_Kind, or Outer_Text.
message Outer {
  enum Kind { KIND_UNSPECIFIED = 0; }
  message Text { string text = 1; }
  message Kind_ { string text = 1; }
  oneof kind {
    Text text_message = 1;
    string text = 2;
    Kind number = 3;
    Outer_Text flat = 4;
  }
  map<string, Text> entry = 5;
  message Inner { message Deep { string a = 1; } Deep deep = 1; }
  Inner.Deep deep = 6;
  Outer_Inner.Deep other_deep = 7;
}
message Outer_Text { string a = 1; }
message Outer_Inner { message Deep { string b = 1; } }
message Outer_EntryEntry { string a = 1; }

enum Color {
  option allow_alias = true;
  // "The first"
  name = 0;
  value = 1;
  mro = 2;
  True = 3;
  real = 4;
  to_bytes = 5;
  _sunder_ = 6;
  __dunder__ = 7;
  _private = 8;
  pass = 9;
  lambda = 11 [deprecated = true];
  same = 11;
  numerator = 12;
}
''',
    # What only proto2 has, under names that it has too.
    "acme/legacy.proto": """
syntax = "proto2";
package acme.legacy;
import "google/protobuf/any.proto";
import "google/protobuf/wrappers.proto";
message FieldDescriptor {
  optional string property = 1 [default = "it's \\"quoted\\" \\\\ and \\n"];
  optional string property_or_default = 2 [default = "b"];
  optional float classmethod = 3 [default = -inf];
  optional double Self = 4 [default = nan];
  optional bytes merge_from = 5 [default = "\\000\\377\\""];
  optional describe NullValue = 6 [default = pass];
  optional google.protobuf.Any any_pb = 7;
  optional google.protobuf.StringValue wrappers_pb = 8;
  optional string data = 9;
  optional group Extension = 10 { optional string message = 1; }
  optional string unknown = 11;
  repeated describe start = 12 [packed = true];
  map<string, Extensions> beyond = 13;
  extensions 100 to 200;
}
enum describe { None = 0; pass = 1; }
message Extensions { optional string extend = 1; optional Extensions group = 2; }
message MessageSet { option message_set_wire_format = true; extensions 4 to max; }
message FieldDescriptor_Extensions { optional string a = 1; }
extend FieldDescriptor {
  optional string class = 100;
  repeated string int = 101;
  optional FieldDescriptor Field = 102;
  optional string describe_ = 103;
}
message complete {
  extend FieldDescriptor { optional complete missing = 110; }
  extend MessageSet { optional complete named = 1000; }
}
message complete_missing { optional string a = 1; }
""",
    # A namesake of another file's module, in a folder named by a keyword.
    "acme/import/names.proto": """
syntax = "proto3";
package acme.import;
import "acme/names.proto";
import "bare.proto";
import "acme/types/2nd part+more.proto";
import "google/protobuf/any.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/wrappers.proto";
message Leaf { acme.Leaf leaf = 1; .Bare bare = 2; acme.Color color = 3; acme.types.Part part = 4; }
message Choice { oneof kind { acme.Leaf far = 1; Leaf near = 2; acme.Leaf far_too = 3; } }
// Names of the stubs' own.
service Stub {
  rpc Dict(acme.Leaf) returns (Leaf);
  rpc Str(Leaf) returns (stream acme.Leaf);
  rpc Float(stream Leaf) returns (.Bare);
  rpc List(stream Leaf) returns (stream Leaf);
  rpc Class(Leaf) returns (acme.types.Part) { option deprecated = true; }
  rpc GetURL(Leaf) returns (Leaf);
  rpc GetUrl(Leaf) returns (Leaf);
  rpc Names_Pb(acme.Leaf) returns (Leaf);
  rpc _UnaryUnary(Leaf) returns (Leaf);
  rpc Self(Leaf) returns (Leaf);
  rpc Any(google.protobuf.Any) returns (stream google.protobuf.Struct);
  rpc Wrapped(google.protobuf.Value) returns (google.protobuf.StringValue);
}
service Service { rpc Request(Leaf) returns (Leaf); }
service Nothing {}
""",
    "acme/types/2nd part+more.proto": """
syntax = "proto3";
package acme.types;
message Part { string part = 1; }
""",
}
