"""The compiled build: generated modules and the runtime's hot part as machine code, by mypyc.

The source that people read stays as it is. For the compiler each module is put into another form: its dataclasses
spelt out (`classes`), its lists of byte strings as one growing buffer (`buffers`). What a message means is in the
source alone, so both builds are one behaviour.
"""
