//! Runs a command component on Wasmtime 21 with the standard output of wasmtime issue
//! 8781: an AsyncStdoutStream on an AsyncWriteStream, which loses wake-ups.
//!
//!     wasmtime21 compile component.wasm component.cwasm
//!     wasmtime21 [--budget BYTES] [--threads N] component.cwasm [arguments]
//!
//! Standard output and standard error are those of the process.

use anyhow::{bail, Context, Result};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Config, Engine, OptLevel, Store};
use wasmtime_wasi::pipe::AsyncWriteStream;
use wasmtime_wasi::{AsyncStdoutStream, I32Exit, WasiCtx, WasiCtxBuilder, WasiView};

struct State {
    ctx: WasiCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> &mut WasiCtx {
        &mut self.ctx
    }
    fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }
}

fn main() -> Result<()> {
    let mut budget = 8192;
    let mut threads = 2;
    let mut args = std::env::args().skip(1).peekable();
    while let Some(flag) = args.next_if(|arg| arg.starts_with("--")) {
        let number = args.next().with_context(|| format!("{flag} needs a number"))?;
        let number = number.parse().with_context(|| format!("{flag} {number}"))?;
        match flag.as_str() {
            "--budget" => budget = number,
            "--threads" => threads = number,
            _ => bail!("unknown flag {flag}"),
        }
    }
    let args: Vec<String> = args.collect();
    match args.as_slice() {
        [] => bail!("usage: wasmtime21 [--budget BYTES] [--threads N] component.cwasm [arguments]"),
        [command, from, to] if command == "compile" => {
            let compiled = engine()?.precompile_component(&std::fs::read(from)?)?;
            return Ok(std::fs::write(to, compiled)?);
        }
        _ => {}
    }
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()?
        .block_on(async { tokio::spawn(run(args, budget)).await? })
}

fn engine() -> Result<Engine> {
    let mut config = Config::new();
    config.async_support(true).wasm_component_model(true).cranelift_opt_level(OptLevel::None);
    Engine::new(&config)
}

async fn run(args: Vec<String>, budget: usize) -> Result<()> {
    let engine = engine()?;
    // SAFETY: the tests have compiled the component with this very program.
    let component = unsafe { Component::deserialize_file(&engine, &args[0])? };
    let mut linker = Linker::new(&engine);
    wasmtime_wasi::add_to_linker_async(&mut linker)?;
    let ctx = WasiCtxBuilder::new()
        .args(&args)
        .stdout(AsyncStdoutStream::new(AsyncWriteStream::new(budget, tokio::io::stdout())))
        .inherit_stderr()
        .build();
    let mut store = Store::new(&engine, State { ctx, table: ResourceTable::new() });
    let instance = linker.instantiate_async(&mut store, &component).await?;
    // Any version 0.2.x will do. The bindings of wasmtime-wasi accept 0.2.0 alone.
    let ty = component.component_type();
    let name = ty
        .exports(&engine)
        .map(|(name, _)| name)
        .find(|name| name.starts_with("wasi:cli/run@0.2."))
        .context("the component does not export wasi:cli/run")?;
    let run = {
        let mut exports = instance.exports(&mut store);
        let mut interface = exports.instance(name).context("wasi:cli/run is not an interface")?;
        interface.typed_func::<(), (Result<(), ()>,)>("run")?
    };
    match run.call_async(&mut store, ()).await {
        Ok((Ok(()),)) => Ok(()),
        Ok((Err(()),)) => std::process::exit(1),
        Err(err) => match err.downcast_ref::<I32Exit>() {
            Some(exit) => std::process::exit(exit.0),
            None => Err(err),
        },
    }
}
