"""Records what real clients send over a control connection, for `fuzz/clients/`: a file for each run of a client, with
the bytes of its connections one after the other.

Usage: record_clients.py FERRY [CLIENT..], where FERRY is the built server. The clients come with ci/install.sh; those
that are not at hand are passed over. Look at what it wrote before you commit it.
"""

import contextlib
import ftplib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

USER, PASSWORD = "alice", "secret"
# A file beyond this is a mirror that says the same over and over.
LONGEST = 4096
PATIENCE = 60


class Recorder:
    """Takes connections for a server, and keeps what comes from clients."""

    def __init__(self, port):
        self.port = port
        self.sent = []
        self.threads = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                # Urgent data belongs where it was sent.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
                server = socket.create_connection(("127.0.0.1", self.port))
                record = bytearray()
                self.sent.append(record)
                for source, target, kept in ((client, server, record), (server, client, None)):
                    thread = threading.Thread(target=self.copy, args=(source, target, kept), daemon=True)
                    thread.start()
                    self.threads.append(thread)

    @staticmethod
    def copy(source, target, kept):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if kept is not None:
                    kept.extend(data)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def close(self):
        self.listener.close()
        for thread in self.threads:
            thread.join(PATIENCE)


def plant(served):
    """The tree of `tests/src/world.rs`, so that what was sent here means something there."""
    for folder in ("docs", "empty", "home"):
        (served / folder).mkdir()
    (served / "readme.txt").write_bytes(b"Hello\nworld\n")
    (served / "docs/a.txt").write_bytes(b"abc")
    (served / "ancient.txt").write_bytes(b"x")
    os.utime(served / "ancient.txt", (-1, -1))


def run(*command, script=""):
    """What the client makes of it does not matter: it is what it sent that is kept."""
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(command, input=script.encode(), timeout=PATIENCE, **silent)


def curl(url, *options):
    return lambda: run("curl", "-sS", "--user", f"{USER}:{PASSWORD}", *options, url())


def classic(program, mode, *commands):
    script = "\n".join([f"user {USER} {PASSWORD}", *commands, "bye", ""])
    return lambda: run(program, "-n", "-i", "-v", mode, "127.0.0.1", str(recorder.address), script=script)


def interrupted(program):
    """A download that the user stops: ABOR behind a Telnet Synch."""

    def start():
        # Sparse, and more than goes through before the user has stopped it.
        os.truncate("../served/readme.txt", 16 << 30)
        command = [program, "-n", "-i", "-v", "-p", "127.0.0.1", str(recorder.address)]
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        client = subprocess.Popen(command, stdin=subprocess.PIPE, **silent)
        client.stdin.write(f"user {USER} {PASSWORD}\nbinary\nget readme.txt /dev/null\npwd\nbye\n".encode())
        client.stdin.close()
        end = time.monotonic() + PATIENCE
        while not any(b"RETR" in sent for sent in recorder.sent) and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.3)
        client.send_signal(signal.SIGINT)
        client.wait(PATIENCE)

    return start


def lftp(*commands):
    def start():
        settings = "set net:timeout 20; set net:max-retries 1; set ftp:ssl-allow no"
        opening = f"open --user {USER} --password {PASSWORD} ftp://127.0.0.1:{recorder.address}"
        run("lftp", "-c", "\n".join([settings, opening, *commands]))

    return start


def ncftp(program, *arguments):
    return lambda: run(program, "-u", USER, "-p", PASSWORD, "-P", str(recorder.address), *arguments)


def wget(*options):
    return lambda: run("wget", "--no-config", "--tries=1", "--user", USER, "--password", PASSWORD, *options, url("/"))


def python(active):
    def session():
        ftp = ftplib.FTP(timeout=PATIENCE)
        ftp.connect("127.0.0.1", recorder.address)
        ftp.login(USER, PASSWORD)
        ftp.set_pasv(not active)
        ftp.cwd("/docs")
        ftp.nlst()
        ftp.retrlines("LIST", lambda line: None)
        list(ftp.mlsd("/", ["type", "size"]))
        ftp.retrbinary("RETR a.txt", lambda data: None, rest=1)
        ftp.storbinary("STOR new file.txt", open("up.bin", "rb"))
        ftp.size("a.txt")
        ftp.rename("new file.txt", "größe.txt")
        ftp.delete("größe.txt")
        ftp.mkd('a "b"')
        ftp.rmd('a "b"')
        with contextlib.suppress(ftplib.Error):
            ftp.transfercmd("RETR /readme.txt").close()
            ftp.voidresp()
        with contextlib.suppress(ftplib.Error):
            ftp.abort()
        ftp.quit()

    return session


def url(path="/"):
    return f"ftp://127.0.0.1:{recorder.address}{path}"


COMMANDS = [
    *("pwd", "cd docs", "dir", "nlist", "binary", "get a.txt", "put up.bin", "rename up.bin moved.bin"),
    *("delete moved.bin", "mkdir new", "rmdir new", "cdup", "ascii", "get readme.txt", "status", "system"),
    *("size readme.txt", "modtime readme.txt", "chmod 644 readme.txt", "quote feat", "quote help", "site help"),
    *("restart 5", "reget readme.txt"),
]
FILES = [
    *("cls -la", "ls docs", "cat readme.txt", "mkdir -p x/y", "put up.bin -o x/y/z", "mv x/y/z x/w", "rm -r x", "du"),
    *("chmod 644 readme.txt", "quote HELP"),
]
QUOTES = ["-Q", "RNFR readme.txt", "-Q", "RNTO read me.txt", "-Q", "-SITE CHMOD 600 read me.txt"]
OLD = ["set ftp:use-feat no", "set ftp:use-mlsd no", "set ftp:prefer-epsv yes", "set ftp:use-size no"]


def lftp_tls():
    opening = f"open --user {USER} --password {PASSWORD} {url()}"
    run("lftp", "-c", f"set net:max-retries 1; set net:timeout 10; set ftp:ssl-force yes; {opening}; ls")



CLIENTS = {
    "curl_get": curl(lambda: url("/readme.txt"), "-o", "out"),
    "curl_list": curl(lambda: url("/docs/")),
    "curl_list_mlsd": curl(lambda: url("/docs/"), "-X", "MLSD"),
    "curl_names": curl(lambda: url("/docs/"), "--list-only"),
    "curl_head": curl(lambda: url("/readme.txt"), "--head"),
    "curl_resume": curl(lambda: url("/readme.txt"), "-C", "3", "-o", "out2"),
    "curl_range": curl(lambda: url("/readme.txt"), "-r", "2-5", "-o", "out3"),
    "curl_put": curl(lambda: url("/a/b/up.bin"), "-T", "up.bin", "--ftp-create-dirs"),
    "curl_append": curl(lambda: url("/readme.txt"), "-T", "up.bin", "--append"),
    "curl_active": curl(lambda: url("/readme.txt"), "--ftp-port", "-", "-o", "out4"),
    "curl_active_port": curl(lambda: url("/readme.txt"), "--ftp-port", "-", "--disable-eprt", "-o", "out5"),
    "curl_pasv": curl(lambda: url("/docs/a.txt"), "--disable-epsv", "--ftp-method", "nocwd", "-o", "out6"),
    "curl_ascii": curl(lambda: url("/readme.txt"), "--use-ascii", "-o", "out7"),
    "curl_quotes": curl(lambda: url("/"), *QUOTES),
    "curl_tls": curl(lambda: url("/"), "--ssl-reqd"),
    "curl_wrong_password": lambda: run("curl", "-sS", "--user", "alice:wrong", url()),
    "curl_names_escaped": curl(lambda: url("/docs/%20a%22%25%C3%A4;type=i"), "-o", "out8"),
    "tnftp_passive": classic("tnftp", "-p", *COMMANDS),
    "tnftp_active": classic("tnftp", "-A", *COMMANDS, "mls", "mlsd", "mlst readme.txt", "features", "fput up.bin"),
    "inetutils_passive": classic("inetutils-ftp", "-p", *COMMANDS, "sunique", "put up.bin"),
    "tnftp_interrupted": interrupted("tnftp"),
    "inetutils_interrupted": interrupted("inetutils-ftp"),
    "inetutils_active": classic("inetutils-ftp", "-A", *COMMANDS),
    "lftp_session": lftp(*FILES),
    "lftp_active": lftp("set ftp:passive-mode off", "ls", "get readme.txt -o got", "pget -n 2 readme.txt -o got2"),
    "lftp_mirror": lftp("mirror / copy", "mirror -R copy there", "rm -r there"),
    "lftp_tls": lftp_tls,
    "lftp_no_features": lftp(*OLD, "ls", "get readme.txt -o got3"),
    "ncftpls": ncftp("ncftpls", "-l", "ftp://127.0.0.1/docs/"),
    "ncftpls_names": ncftp("ncftpls", "-1", "ftp://127.0.0.1/"),
    "ncftpget_tree": ncftp("ncftpget", "-V", "-F", "-R", "127.0.0.1", ".", "/docs"),
    "ncftpput_tree": ncftp("ncftpput", "-V", "-E", "-R", "127.0.0.1", "/", "tree"),
    "ncftpput_resume": ncftp("ncftpput", "-V", "-z", "127.0.0.1", "/", "up.bin"),
    "wget_tree": wget("-r", "-l", "2"),
    "wget_active": wget("--no-passive-ftp", "-r", "-l", "1"),
    "ftplib_passive": python(active=False),
    "ftplib_active": python(active=True),
}


def main():
    global recorder
    ferry, *wanted = sys.argv[1:]
    ferry = os.path.abspath(ferry)
    clients = pathlib.Path(__file__).resolve().parent / "clients"
    clients.mkdir(exist_ok=True)
    for name in wanted or CLIENTS:
        program = {"inetutils": "inetutils-ftp", "ftplib": "python3"}.get(name.split("_")[0], name.split("_")[0])
        if not shutil.which(program):
            print(f"{name}: there is no {program}")
            continue
        with tempfile.TemporaryDirectory() as folder:
            served, local = pathlib.Path(folder, "served"), pathlib.Path(folder, "local")
            served.mkdir(), local.mkdir(), (local / "tree/sub").mkdir(parents=True)
            plant(served)
            (local / "up.bin").write_bytes(b"\x00\xff\r\n" * 25)
            (local / "tree/sub/file").write_bytes(b"x")
            os.chdir(local)
            os.environ["HOME"] = str(local)
            options = ("--interface", "127.0.0.1", "--port", "0", "--write", "--username", USER, "--password", PASSWORD)
            command = [ferry, "--directory", served, *options]
            server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            try:
                recorder = Recorder(ready(server))
                CLIENTS[name]()
                recorder.close()
            finally:
                server.kill()
                server.wait()
            os.chdir("/")
        sent = b"".join(recorder.sent)[:LONGEST]
        if sent:
            (clients / f"{name}.ftp").write_bytes(sent)
        print(f"{name}: {len(recorder.sent)} connections, {len(sent)} bytes")


def ready(server):
    """The port, out of the server's first line that tells one."""
    for line in server.stdout:
        if found := re.search(rb"127\.0\.0\.1:(\d+)", line):
            threading.Thread(target=server.stdout.read, daemon=True).start()
            return int(found[1])
    raise SystemExit("the server did not start")


if __name__ == "__main__":
    main()
