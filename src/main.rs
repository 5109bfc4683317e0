//! The `tidegate` command.

use std::process::ExitCode;

/// What the C library keeps of freed memory grows with the largest answers that were ever read: with a thousand workloads in a release, it was
/// 12 MiB more of 102 (docs/benchmarks.md). Its settings are in `.cargo/config.toml`.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    tidegate::run::main()
}
