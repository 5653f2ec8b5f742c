#!/usr/bin/env python3
"""Measures ferry's speed limits with curl: one and ten transfers, both ways, in clear, in ASCII and under TLS.

    cargo build --release -p ferry
    bench/throttle.py --ferry target/release/ferry

It starts a server for each runtime and each kind of limit, on ports of 127.0.0.1 that the system chooses, and sends files
that take SECONDS at LIMIT. Each line of the table is one measurement: bytes a second of all transfers together, from
the moment at which the first was ready to begin, as curl tells it, to the end of the last; how far that is from the
limit; and the time of the fastest transfer as a share of that of the slowest, which shows whether they got the same.
JOBS servers are measured at a time, each in twelve times SECONDS. A machine that is busy otherwise makes transfers
slower, never faster. It ends with 1 when a measurement is more than five percent off, and needs Python 3.9 and curl.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

KINDS = {"transfer": "", "user": "user_", "server": "server_"}
FORMS = {"clear": [], "ascii": ["--use-ascii"], "tls": ["--ssl-reqd", "--insecure"]}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ferry", default="target/release/ferry", help="the program [%(default)s]")
    parser.add_argument("--limit", type=int, default=1_000_000, help="bytes a second [%(default)s]")
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement [%(default)s]")
    parser.add_argument("--jobs", type=int, default=2, help="servers measured at a time [%(default)s]")
    parser.add_argument("--runtimes", nargs="+", default=["tokio", "smol"])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="of limits [all]")
    return parser.parse_args()


class Server:
    """A ferry with one limit, both ways, and a home of its own."""

    def __init__(self, options, runtime, kind, folder):
        self.runtime, self.kind, self.folder = runtime, kind, folder
        (folder / "home").mkdir(parents=True)
        key, limit = KINDS[kind], options.limit
        config = folder / "ferry.toml"
        config.write_text(
            f"[server]\nlisten = ['127.0.0.1:0']\nruntime = '{runtime}'\n"
            f"[data]\n{key}read_limit = {limit}\n{key}write_limit = {limit}\n"
            "[tls]\n[anonymous]\nhome = 'home'\nperm = 'elradfmw'\n[log]\nlevel = 'error'\n"
        )
        self.process = subprocess.Popen(
            [options.ferry, "--config", config], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        ready = self.process.stdout.readline()
        if not ready:
            raise SystemExit(f"{options.ferry} does not serve")
        self.url = ready.split()[-1]

    def measure(self, options, form, way, count):
        """Bytes a second of all together, and the fastest as a share of the slowest."""
        share = count if self.kind != "transfer" else 1
        size = int(options.limit * options.seconds / share)
        # Line ends as they are on the wire, so that a file has the same length in ASCII.
        source = self.folder / "home" / f"source-{size}"
        if not source.exists():
            source.write_bytes((b"x" * 62 + b"\r\n") * (size // 64))
        size = source.stat().st_size
        begins, ends = [], []

        def transfer(number):
            times = "%{stderr}%{time_pretransfer} %{time_total}"
            command = ["curl", "--silent", "--show-error", "--write-out", times, *FORMS[form]]
            if way == "down":
                command += ["--output", "/dev/null", f"{self.url}/{source.name}"]
            else:
                command += ["--upload-file", source, f"{self.url}/upload-{number}"]
            told = subprocess.run(command, check=True, stderr=subprocess.PIPE, text=True).stderr
            ready, total = map(float, told.split())
            end = time.monotonic()
            begins.append(end - (total - ready))
            ends.append(end)

        run_all([threading.Thread(target=transfer, args=(number,)) for number in range(count)])
        if len(ends) != count:
            raise SystemExit("a transfer failed")
        began = min(begins)
        return size * count / (max(ends) - began), (min(ends) - began) / (max(ends) - began)


def run_all(threads):
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main():
    options, lines, worst = arguments(), [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        places = [(runtime, kind) for runtime in options.runtimes for kind in options.kinds]
        servers = [Server(options, *place, pathlib.Path(folder, *place)) for place in places]

        jobs = threading.Semaphore(options.jobs)

        def measure_all(server):
            with jobs:
                measure_forms(server)

        def measure_forms(server):
            for form in FORMS:
                for way in ["down", "up"]:
                    for count in [1, 10]:
                        rate, fairness = server.measure(options, form, way, count)
                        target = options.limit * (count if server.kind == "transfer" else 1)
                        lines.append((server.runtime, server.kind, form, way, count, rate, rate / target - 1, fairness))

        try:
            run_all([threading.Thread(target=measure_all, args=(server,)) for server in servers])
        finally:
            for server in servers:
                server.process.terminate()
                server.process.wait()
    print("runtime limit of form  way  transfers bytes/s     off   fastest/slowest")
    for runtime, kind, form, way, count, rate, off, fairness in sorted(lines):
        print(f"{runtime:7} {kind:8} {form:5} {way:4} {count:9} {rate:10.0f} {off:+6.1%} {fairness:6.2f}")
        worst = max(worst, abs(off))
    expected = len(options.runtimes) * len(options.kinds) * len(FORMS) * 4
    print(f"the worst is {worst:.1%} off, of {len(lines)} measurements")
    sys.exit(0 if worst <= 0.05 and len(lines) == expected else 1)


if __name__ == "__main__":
    main()
