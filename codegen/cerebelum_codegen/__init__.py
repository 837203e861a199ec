"""The code generator of Cerebelum: a plugin for protoc and buf, and the runtime of what it generates."""
