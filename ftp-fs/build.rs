//! Finds libpam for the linker.
//!
//! Every Linux with PAM has the library; the name under which linkers look for it, `libpam.so`, comes with a package
//! for developers (`libpam0g-dev`, `pam-devel`) that is of no use here otherwise: the bindings need no headers. So where
//! that name is missing, it is made.

use std::env;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |variable, value| env::var(variable).as_deref() == Ok(value);
    let native = env::var("HOST") == env::var("TARGET");
    if env::var_os("CARGO_FEATURE_PAM").is_none() || !is("CARGO_CFG_TARGET_OS", "linux") || !native {
        return;
    }
    let folders = folders();
    if folders.iter().any(|folder| folder.join("libpam.so").exists()) {
        return;
    }
    let Some(library) = folders.iter().map(|folder| folder.join("libpam.so.0")).find(|library| library.exists()) else {
        println!("cargo:warning=libpam is not found: install it, or build without the feature `pam`");
        return;
    };
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    match name(&library, &out.join("libpam.so")) {
        Ok(()) => println!("cargo:rustc-link-search=native={}", out.display()),
        Err(error) => println!("cargo:warning=libpam cannot be named for the linker: {error}"),
    }
}

/// Where linkers look, with the folders of Debian's kind.
fn folders() -> Vec<PathBuf> {
    let target = |part| env::var(part).unwrap_or_default();
    let architecture = target("CARGO_CFG_TARGET_ARCH");
    let architecture = if architecture == "x86" { "i386" } else { &architecture };
    let tuple = format!("{architecture}-linux-{}{}", target("CARGO_CFG_TARGET_ENV"), target("CARGO_CFG_TARGET_ABI"));
    let of_debian = [format!("/lib/{tuple}"), format!("/usr/lib/{tuple}")];
    let plain = ["/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib"];
    of_debian.into_iter().chain(plain.map(str::to_owned)).map(PathBuf::from).collect()
}

#[cfg(unix)]
fn name(library: &Path, link: &Path) -> std::io::Result<()> {
    let _ = std::fs::remove_file(link);
    std::os::unix::fs::symlink(library, link)
}

#[cfg(not(unix))]
fn name(library: &Path, link: &Path) -> std::io::Result<()> {
    std::fs::copy(library, link).map(drop)
}
