#!/usr/bin/env python3
"""Measures the memory of idle sessions: logged in, in clear and under TLS 1.2 and 1.3.

    cargo build --release -p ferry
    bench/idle.py --ferry target/release/ferry

It starts a server for each runtime and each kind of session, on a port of 127.0.0.1 that the system chooses. Each line is
what SESSIONS sessions, beyond as many that were there before them, add to the server's proportional set size, and to its
resident set, in KiB for each of them. It needs Linux and Python 3.9.
"""

import argparse
import ftplib
import pathlib
import ssl
import subprocess
import tempfile
import time

KINDS = {"clear": None, "tls 1.2": ssl.TLSVersion.TLSv1_2, "tls 1.3": ssl.TLSVersion.TLSv1_3}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ferry", default="target/release/ferry", help="the program [%(default)s]")
    parser.add_argument("--sessions", type=int, default=200, help="[%(default)s]")
    parser.add_argument("--runtimes", nargs="+", default=["tokio", "smol"])
    return parser.parse_args()


def log_in(address, version):
    if version is None:
        ftp = ftplib.FTP()
    else:
        # The certificate is made by the server: nobody can verify it.
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = context.maximum_version = version
        ftp = ftplib.FTP_TLS(context=context)
    ftp.connect(*address)
    ftp.login()
    if version is not None:
        ftp.prot_p()
    return ftp


def memory(process):
    """KiB of PSS and RSS."""
    # What a session leaves in buffers is gone once its replies are written.
    time.sleep(1)
    sizes = {}
    for line in pathlib.Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, size = line.split()[:2]
        sizes[name] = int(size)
    return sizes["Pss:"], sizes["Rss:"]


def measure(options, runtime, version, folder):
    config = folder / "ferry.toml"
    config.write_text(
        f"[server]\nlisten = ['127.0.0.1:0']\nruntime = '{runtime}'\nmax_connections = 0\n"
        "[tls]\n[anonymous]\nhome = '.'\n[log]\nlevel = 'error'\n"
    )
    command = [options.ferry, "--config", config]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            ready = process.stdout.readline()
            if not ready:
                raise SystemExit(f"{options.ferry} does not serve")
            host, port = ready.split("//")[1].strip().rsplit(":", 1)
            sessions = [log_in((host, int(port)), version) for _ in range(options.sessions)]
            before = memory(process)
            sessions += [log_in((host, int(port)), version) for _ in range(options.sessions)]
            after = memory(process)
            for session in sessions:
                session.close()
        finally:
            process.terminate()
    return [(late - early) / options.sessions for early, late in zip(before, after)]


def main():
    options = arguments()
    print("runtime session   PSS   RSS (KiB each)")
    for runtime in options.runtimes:
        for kind, version in KINDS.items():
            with tempfile.TemporaryDirectory() as folder:
                pss, rss = measure(options, runtime, version, pathlib.Path(folder))
            print(f"{runtime:7} {kind:7} {pss:5.1f} {rss:5.1f}", flush=True)


if __name__ == "__main__":
    main()
