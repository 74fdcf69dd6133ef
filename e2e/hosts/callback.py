"""Run a component on wasmtime-py, with a callback for its standard output.

python3 callback.py component.wasm arguments...
"""

import os
import sys

from wasmtime import Engine, ExitTrap, Store, WasiConfig, WasmtimeError
from wasmtime.component import Component, Linker


def write(data: bytes):
    """Write to the standard output of this process. A thread of Wasmtime calls it."""
    try:
        while data:
            data = data[os.write(1, data):]
    except OSError as err:
        return -err.errno  # otherwise the package prints the exception to standard output


wasi = WasiConfig()
wasi.argv = sys.argv[1:]
wasi.inherit_stderr()
wasi.stdout_custom = write
engine = Engine()
store = Store(engine)
store.set_wasi(wasi)
linker = Linker(engine)
linker.add_wasip2()
compiled = sys.argv[1] + ".wasmtime-py"  # kept, since compiling takes seconds
if not os.path.exists(compiled):
    component = Component.from_file(engine, sys.argv[1])
    with open(compiled, "wb") as file:
        file.write(component.serialize())
instance = linker.instantiate(store, Component.deserialize_file(engine, compiled))
run = instance.get_export_index(store, "wasi:cli/run@0.2.0")
run = instance.get_func(store, instance.get_export_index(store, "run", run))
status = 0
try:
    run(store)
except ExitTrap as trap:
    status = trap.code
except WasmtimeError as err:
    print(err, file=sys.stderr, flush=True)
    status = 134
os._exit(status)  # Python may abort when it frees a store with a callback
