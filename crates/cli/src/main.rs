//! The `photinus` program.

use std::process::ExitCode;

use clap::Parser;
use photinus_cli::{args::Photinus, error::Error, output::Output, run};
use tokio::runtime::Runtime;

/// A node makes and drops many small things on many threads: messages, rows, frames.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Photinus::parse();
    let output = Output::new(arguments.output);
    let result = Runtime::new().map_err(Error::Runtime).and_then(|runtime| {
        let result = runtime.block_on(run(arguments));
        // An orderly stop has ended everything; a forced one waits for nothing.
        runtime.shutdown_background();
        result
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output.error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}
