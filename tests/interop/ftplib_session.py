"""Sessions of Python's ftplib; ftplib.rs starts one per test and compares the files afterwards.

Usage: ftplib_session.py CASE HOST PORT [USER PASSWORD]; without a user: anonymous.
"""

import ftplib
import os
import sys
from contextlib import contextmanager


@contextmanager
def refused(code):
    try:
        yield
    except ftplib.Error as error:
        assert str(error).startswith(code), error
    else:
        raise AssertionError(f"expected {code}, got success")


def download(ftp, name, rest=None):
    with open(name, "ab" if rest else "wb") as file:
        ftp.retrbinary(f"RETR {name}", file.write, rest=rest)


def anonymous(ftp):
    assert ftp.nlst() == ["down.bin"]
    download(ftp, "down.bin")
    with refused("550"):
        ftp.mkd("folder")


def transfer(ftp):
    with open("up.bin", "rb") as file:
        reply = ftp.storbinary("STOR up.bin", file)
    assert reply.startswith("226"), reply
    assert ftp.size("up.bin") == os.path.getsize("up.bin")
    download(ftp, "down.bin")
    with refused("550"):
        ftp.retrbinary("RETR missing", lambda data: None)


def transfer_active(ftp):
    ftp.set_pasv(False)
    transfer(ftp)


def list_(ftp):
    assert sorted(ftp.nlst("folder")) in (
        ["a file", "größe", "sub"],
        ["folder/a file", "folder/größe", "folder/sub"],
    )
    facts = dict(ftp.mlsd("folder", ["type", "size", "modify"]))
    facts = {name: fact for name, fact in facts.items() if fact["type"] not in ("cdir", "pdir")}
    assert sorted(facts) == ["a file", "größe", "sub"], facts
    assert facts["a file"]["type"] == "file" and facts["sub"]["type"] == "dir", facts
    assert facts["größe"]["size"] == "5", facts
    assert facts["a file"]["modify"].startswith("20010909014640"), facts

    ftp.cwd("folder")
    lines = []
    ftp.retrlines("LIST", lines.append)
    assert len(lines) == 3, lines
    assert any(line.startswith("d") and line.endswith(" sub") for line in lines), lines
    assert sum(line.startswith("-") for line in lines) == 2, lines
    assert ftp.sendcmd("MDTM a file") == "213 20010909014640"

    assert ftp.nlst("sub") == []
    assert list(ftp.mlsd("sub")) == []
    with refused("550"):
        ftp.nlst("missing")


def lines(ftp):
    with open("text", "rb") as file:
        ftp.storlines("STOR text", file)
    with open("back", "w", encoding="utf-8", newline="\n") as file:
        ftp.retrlines("RETR text", lambda line: file.write(line + "\n"))


def resume_download(ftp):
    download(ftp, "file.bin", rest=os.path.getsize("file.bin"))


def resume_upload(ftp):
    ftp.voidcmd("TYPE I")
    done = ftp.size("file.bin")
    with open("file.bin", "rb") as file:
        file.seek(done)
        ftp.storbinary("STOR file.bin", file, rest=done)


def manage(ftp):
    assert ftp.pwd() == "/"
    assert ftp.mkd('say "new"') == '/say "new"'
    ftp.rename("old name", 'say "new"/new name')
    ftp.cwd('say "new"')
    assert ftp.pwd() == '/say "new"'
    ftp.cwd("..")
    assert ftp.pwd() == "/"
    ftp.delete("unwanted")
    ftp.mkd("brief")
    ftp.rmd("brief")
    with refused("550"):
        ftp.delete("unwanted")
    with refused("550"):
        ftp.cwd("missing")
    ftp.voidcmd("TYPE I")
    assert ftp.size('say "new"/new name') == 1000


def abort(ftp):
    for _ in range(3):
        ftp.voidcmd("TYPE I")
        data = ftp.transfercmd("RETR large.bin")
        assert data.recv(1000)
        reply = ftp.abort()
        assert reply.startswith("426"), reply
        data.close()
        assert ftp.voidresp().startswith("226")
        assert ftp.pwd() == "/"
    download(ftp, "down.bin")


def main():
    case, host, port, *account = sys.argv[1:]
    cases = {
        "abort": abort,
        "anonymous": anonymous,
        "lines": lines,
        "list": list_,
        "manage": manage,
        "resume-download": resume_download,
        "resume-upload": resume_upload,
        "transfer": transfer,
        "transfer-active": transfer_active,
    }
    ftp = ftplib.FTP(timeout=30)
    ftp.set_debuglevel(1)
    assert ftp.connect(host, int(port)).startswith("220")
    assert ftp.login(*account).startswith("230")
    cases[case](ftp)
    assert ftp.quit().startswith("221")


main()
