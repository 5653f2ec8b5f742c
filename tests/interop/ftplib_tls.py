"""A session of Python's ftplib over TLS; tls.rs starts it and compares the files afterwards.

Usage: ftplib_tls.py plain|reuse|refused any|TLSv1.2|TLSv1.3 HOST PORT USER PASSWORD AUTHORITY
"""

import ftplib
import os
import ssl
import sys


class Reusing(ftplib.FTP_TLS):
    """Resumes the control connection's TLS session on each data connection, as careful servers want it."""

    def ntransfercmd(self, cmd, rest=None):
        data, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        data = self.context.wrap_socket(data, server_hostname=self.host, session=self.sock.session)
        assert data.session_reused, cmd
        return data, size


def transfer(ftp):
    with open("up.bin", "rb") as file:
        reply = ftp.storbinary("STOR up.bin", file)
    assert reply.startswith("226"), reply
    assert ftp.size("up.bin") == os.path.getsize("up.bin")
    assert sorted(ftp.nlst()) == ["down.bin", "up.bin"]
    facts = dict(ftp.mlsd("", ["type", "size"]))
    assert facts["up.bin"]["size"] == str(os.path.getsize("up.bin")), facts
    with open("down.bin", "wb") as file:
        ftp.retrbinary("RETR down.bin", file.write)


def refused(ftp):
    received = []
    try:
        ftp.retrbinary("RETR down.bin", received.append)
    except (ftplib.Error, OSError, EOFError):
        assert not received
    else:
        raise AssertionError("served on a session of its own")


def main():
    case, version, host, port, user, password, authority = sys.argv[1:]
    context = ssl.create_default_context(cafile=authority)
    if version != "any":
        only = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}[version]
        context.minimum_version = context.maximum_version = only
    kind = Reusing if case == "reuse" else ftplib.FTP_TLS
    ftp = kind(context=context, timeout=30)
    ftp.set_debuglevel(1)
    assert ftp.connect(host, int(port)).startswith("220")
    assert ftp.login(user, password).startswith("230")
    assert ftp.sock.version() == version or version == "any"
    assert ftp.prot_p().startswith("200")
    if case == "refused":
        refused(ftp)
        return
    for _ in range(3):
        transfer(ftp)
    assert ftp.quit().startswith("221")


main()
