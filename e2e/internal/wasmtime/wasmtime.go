package wasmtime

/*
#include <stdlib.h>

#include "sink.h"
#include "wasmtime.h"

static void set_sink(wasi_config_t *wasi, struct sink *sink) {
	wasi_config_set_stdout_custom(wasi, sink_write, sink, NULL);
}

// cgo does not support unions.
static bool is_ok(const wasmtime_component_val_t *result) { return result->of.result.is_ok; }
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"unsafe"

	_ "github.com/bytecodealliance/wasmtime-go/v44" // provides the library and its linker flags
)

// Available reports whether Wasmtime is linked into the program.
const Available = true

// sink is the sink of the current run, if its standard output is a callback.
var sink atomic.Pointer[C.struct_sink]

// Compile compiles a component to machine code and writes it to a file that Do can load. If it need
// not optimize the code, it takes half the time.
func Compile(component []byte, file string, optimize bool) error {
	var compiled *C.wasmtime_component_t
	config := C.wasm_config_new()
	if !optimize {
		C.wasmtime_config_cranelift_flag_set(config, C.CString("opt_level"), C.CString("none"))
		C.wasmtime_config_cranelift_flag_set(config, C.CString("regalloc_algorithm"), C.CString("single_pass"))
	}
	engine := C.wasm_engine_new_with_config(config)
	in := C.CBytes(component)
	defer C.free(in)
	if err := goError(C.wasmtime_component_new(engine, (*C.uint8_t)(in), C.size_t(len(component)), &compiled)); err != nil {
		return err
	}
	var out C.wasm_byte_vec_t
	if err := goError(C.wasmtime_component_serialize(compiled, &out)); err != nil {
		return err
	}
	defer C.wasm_byte_vec_delete(&out)
	return os.WriteFile(file, unsafe.Slice((*byte)(unsafe.Pointer(out.data)), out.size), 0o600)
}

// Do runs the component to completion and returns its exit code. The guest shares the
// standard input and error of the process. The error is the trap of the guest, or says why the
// component could not run. Do frees only the store, because a process makes a single run.
func (r *Run) Do() (exit int, err error) {
	// The store must be used and deleted on one thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	engine := C.wasm_engine_new()
	var component *C.wasmtime_component_t
	if err := goError(C.wasmtime_component_deserialize_file(engine, C.CString(r.Component), &component)); err != nil {
		return 0, err
	}
	linker := C.wasmtime_component_linker_new(engine)
	if err := goError(C.wasmtime_component_linker_add_wasip2(linker)); err != nil {
		return 0, err
	}
	store := C.wasmtime_store_new(engine, nil, nil)
	defer C.wasmtime_store_delete(store) // stops tasks that still write
	context := C.wasmtime_store_context(store)
	wasi, err := r.config()
	if err != nil {
		return 0, err
	}
	if err := goError(C.wasmtime_context_set_wasi(context, wasi)); err != nil {
		return 0, err
	}
	var instance C.wasmtime_component_instance_t
	if err := goError(C.wasmtime_component_linker_instantiate(linker, context, component, &instance)); err != nil {
		return 0, err
	}
	return call(context, &instance)
}

// config returns the configuration of WASI for the run.
func (r *Run) config() (*C.wasi_config_t, error) {
	wasi := C.wasi_config_new()
	argv := make([]*C.char, len(r.Args))
	for i, arg := range r.Args {
		argv[i] = C.CString(arg)
	}
	ok := bool(C.wasi_config_set_argv(wasi, C.size_t(len(argv)), unsafe.SliceData(argv)))
	C.wasi_config_inherit_stdin(wasi)
	C.wasi_config_inherit_stderr(wasi)
	switch r.Stdout {
	case Inherited:
		C.wasi_config_inherit_stdout(wasi)
	case File:
		ok = ok && bool(C.wasi_config_set_stdout_file(wasi, C.CString(r.File)))
	case Callback:
		s := (*C.struct_sink)(C.calloc(1, C.sizeof_struct_sink))
		*s = C.struct_sink{
			delay: C.uint64_t(r.Sink.Delay),
			piece: C.uint64_t(r.Sink.Piece),
			left:  C.uint64_t(r.Sink.FailAt),
			fails: C.bool(r.Sink.Fails),
		}
		C.set_sink(wasi, s)
		sink.Store(s)
	}
	if r.Dir != "" {
		const readWrite = 1 | 2
		ok = ok && bool(C.wasi_config_preopen_dir(wasi, C.CString(r.Dir), C.CString("/"), readWrite, readWrite))
	}
	if !ok {
		return nil, errors.New("wasmtime rejected the configuration of WASI")
	}
	return wasi, nil
}

// call calls the exported function run of the interface wasi:cli/run.
func call(context *C.wasmtime_context_t, instance *C.wasmtime_component_instance_t) (exit int, err error) {
	var index *C.wasmtime_component_export_index_t
	for _, names := range [][]string{{"wasi:cli/run@0.2.0", "wasi:cli/run@0.2.3", "wasi:cli/run@0.2.6"}, {"run"}} {
		parent := index
		index = nil
		for _, name := range names {
			if index == nil {
				index = C.wasmtime_component_instance_get_export_index(instance, context, parent, C.CString(name), C.size_t(len(name)))
			}
		}
		if index == nil {
			return 0, errors.New("the component does not export " + strings.Join(names, " or "))
		}
	}
	var run C.wasmtime_component_func_t
	if !C.wasmtime_component_instance_get_func(instance, context, index, &run) {
		return 0, errors.New("run is not a function")
	}
	var result C.wasmtime_component_val_t
	e := C.wasmtime_component_func_call(&run, context, nil, 0, &result, 1)
	var status C.int
	if e != nil && C.wasmtime_error_exit_status(e, &status) {
		return int(status), nil
	}
	if err := goError(e); err != nil {
		return 0, err
	}
	if !C.is_ok(&result) {
		return 1, nil
	}
	return 0, nil
}

// goError converts an error of Wasmtime, which may be nil, to a Go error, and deletes it.
func goError(e *C.wasmtime_error_t) error {
	if e == nil {
		return nil
	}
	var text C.wasm_byte_vec_t
	C.wasmtime_error_message(e, &text)
	C.wasmtime_error_delete(e)
	return errors.New(C.GoStringN(text.data, C.int(text.size)))
}

// Calls describes the calls of the callback so far. It returns an empty string if standard
// output is not a callback.
func Calls() string {
	s := sink.Load()
	if s == nil {
		return ""
	}
	calls, returned, offered, taken := C.uint64_t(0), C.uint64_t(0), C.uint64_t(0), C.ptrdiff_t(0)
	C.sink_state(s, &calls, &returned, &offered, &taken)
	if calls > returned {
		return fmt.Sprintf("callback: %d calls; the last got %d bytes and has not returned", calls, offered)
	}
	return fmt.Sprintf("callback: %d calls; the last got %d bytes and returned %d", calls, offered, taken)
}
