// Declarations of the functions of Wasmtime's C library that package wasmtime calls. They
// are copied from the headers in wasmtime-go, because only the package that contains those
// headers can refer to their directory.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct wasm_config_t wasm_config_t;
typedef struct wasm_engine_t wasm_engine_t;
typedef struct wasmtime_store_t wasmtime_store_t;
typedef struct wasmtime_context_t wasmtime_context_t;
typedef struct wasmtime_error_t wasmtime_error_t;
typedef struct wasmtime_component_t wasmtime_component_t;
typedef struct wasmtime_component_linker_t wasmtime_component_linker_t;
typedef struct wasmtime_component_export_index_t wasmtime_component_export_index_t;
typedef struct wasi_config_t wasi_config_t;

typedef struct {
	size_t size;
	char *data;
} wasm_byte_vec_t;

typedef struct {
	uint64_t store;
	uint32_t private1;
} wasmtime_component_instance_t;

typedef struct {
	struct {
		uint64_t store;
		uint32_t private1;
	};
	uint32_t private2;
} wasmtime_component_func_t;

// A value of the component model. Package wasmtime reads only result<_, _>; raw has the
// size of the largest other case.
typedef struct {
	uint8_t kind;
	union {
		struct {
			bool is_ok;
			void *value;
		} result;
		uint64_t raw[4];
	} of;
} wasmtime_component_val_t;

wasm_config_t *wasm_config_new(void);
void wasmtime_config_cranelift_flag_set(wasm_config_t *, const char *, const char *);
wasm_engine_t *wasm_engine_new(void);
wasm_engine_t *wasm_engine_new_with_config(wasm_config_t *);
void wasm_byte_vec_delete(wasm_byte_vec_t *);

wasmtime_store_t *wasmtime_store_new(wasm_engine_t *, void *, void (*)(void *));
wasmtime_context_t *wasmtime_store_context(wasmtime_store_t *);
void wasmtime_store_delete(wasmtime_store_t *);
wasmtime_error_t *wasmtime_context_set_wasi(wasmtime_context_t *, wasi_config_t *);

void wasmtime_error_message(const wasmtime_error_t *, wasm_byte_vec_t *);
bool wasmtime_error_exit_status(const wasmtime_error_t *, int *);
void wasmtime_error_delete(wasmtime_error_t *);

wasmtime_error_t *wasmtime_component_new(const wasm_engine_t *, const uint8_t *, size_t, wasmtime_component_t **);
wasmtime_error_t *wasmtime_component_serialize(const wasmtime_component_t *, wasm_byte_vec_t *);
wasmtime_error_t *wasmtime_component_deserialize_file(const wasm_engine_t *, const char *, wasmtime_component_t **);

wasmtime_component_linker_t *wasmtime_component_linker_new(const wasm_engine_t *);
wasmtime_error_t *wasmtime_component_linker_add_wasip2(wasmtime_component_linker_t *);
wasmtime_error_t *wasmtime_component_linker_instantiate(const wasmtime_component_linker_t *, wasmtime_context_t *,
	const wasmtime_component_t *, wasmtime_component_instance_t *);
wasmtime_component_export_index_t *wasmtime_component_instance_get_export_index(const wasmtime_component_instance_t *,
	wasmtime_context_t *, const wasmtime_component_export_index_t *, const char *, size_t);
bool wasmtime_component_instance_get_func(const wasmtime_component_instance_t *, wasmtime_context_t *,
	const wasmtime_component_export_index_t *, wasmtime_component_func_t *);
wasmtime_error_t *wasmtime_component_func_call(const wasmtime_component_func_t *, wasmtime_context_t *,
	const wasmtime_component_val_t *, size_t, wasmtime_component_val_t *, size_t);

wasi_config_t *wasi_config_new(void);
bool wasi_config_set_argv(wasi_config_t *, size_t, const char *[]);
void wasi_config_inherit_stdin(wasi_config_t *);
void wasi_config_inherit_stdout(wasi_config_t *);
void wasi_config_inherit_stderr(wasi_config_t *);
bool wasi_config_set_stdout_file(wasi_config_t *, const char *);
void wasi_config_set_stdout_custom(wasi_config_t *, ptrdiff_t (*)(void *, const unsigned char *, size_t), void *,
	void (*)(void *));
bool wasi_config_preopen_dir(wasi_config_t *, const char *, const char *, size_t, size_t);
