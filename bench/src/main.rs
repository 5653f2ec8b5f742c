//! The program; all of it is in the library, which is empty on other systems.

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    ferry_bench::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("the benchmarks measure by what Linux tells: they run there alone");
}
