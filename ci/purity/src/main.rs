//! A program for no operating system, to prove that the pure crates need none.
//!
//! It has no std, no libc and no start files: its own entry point, allocator and memory
//! functions, and one system call to report how it went. Should a pure crate pull std in, this
//! does not compile (two panic handlers); should it need libc, this does not link.

#![no_std]
#![no_main]
#![no_builtins]

extern crate alloc;

use core::panic::PanicInfo;

mod bare;
mod login;

extern "C" fn main() -> ! {
    bare::exit(if login::succeeds() { 0 } else { 1 })
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    bare::exit(101)
}
