"""Throw-away certificates: the parties of run-sip-peer, and one for any set of names, all signed by the same test root."""
import importlib.machinery
import importlib.util
import subprocess
from pathlib import Path

from . import system


def load_peer_runner():
    loader = importlib.machinery.SourceFileLoader("run_sip_peer", str(system.TESTS / "peers" / "run-sip-peer"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("run_sip_peer", loader))
    loader.exec_module(module)
    return module


class Pki:
    def __init__(self, directory):
        self.directory = Path(directory)
        load_peer_runner().make_pki(self.directory)
        self.ca = self.directory / "ca.pem"
        self.made = {}

    def path(self, name):
        return self.directory / f"{name}.pem"

    def issue(self, names, days=30, name=None):
        """One file with certificate and key for these names; with a name of its own it is also to be found as the parties are."""
        names = tuple(names)
        if (names, days) in self.made:
            return self.made[names, days]
        stem = name or f"own{len(self.made)}"
        run = lambda *a: subprocess.run(["openssl", *a], cwd=self.directory, check=True, capture_output=True)
        (self.directory / f"{stem}.cnf").write_text(
            "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth,clientAuth\n"
            "subjectAltName=" + ",".join(f"DNS:{n}" for n in names) + "\n")
        run("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={names[0][:60]}",
            "-keyout", f"{stem}.key", "-out", f"{stem}.csr")
        run("x509", "-req", "-in", f"{stem}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", str(days),
            "-extfile", f"{stem}.cnf", "-out", f"{stem}.crt")
        both = self.directory / f"{stem}-both.pem"
        both.write_bytes((self.directory / f"{stem}.crt").read_bytes() + (self.directory / f"{stem}.key").read_bytes())
        both.chmod(0o600)
        if name:
            (self.directory / f"{stem}.crt").rename(self.path(name))
        self.made[names, days] = both
        return both

    def client(self, accounts, days=30, authority="ca"):
        """One file with certificate and key that names these accounts by xmppAddr; authority "self": signed by itself."""
        stem = f"client{len(self.made)}"
        self.made[stem] = both = self.directory / f"{stem}-both.pem"
        run = lambda *a: subprocess.run(["openssl", *a], cwd=self.directory, check=True, capture_output=True)
        (self.directory / f"{stem}.cnf").write_text(
            "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=clientAuth\n"
            "subjectAltName=" + (",".join(f"otherName:1.3.6.1.5.5.7.8.5;UTF8:{a}" for a in accounts) or "DNS:nobody.example") + "\n")
        run("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={stem}",
            "-keyout", f"{stem}.key", "-out", f"{stem}.csr")
        signer = ["-signkey", f"{stem}.key"] if authority == "self" else ["-CA", f"{authority}.pem", "-CAkey", f"{authority}.key",
                                                                           "-CAcreateserial"]
        run("x509", "-req", "-in", f"{stem}.csr", *signer, "-days", str(days), "-extfile", f"{stem}.cnf", "-out", f"{stem}.crt")
        both.write_bytes((self.directory / f"{stem}.crt").read_bytes() + (self.directory / f"{stem}.key").read_bytes())
        both.chmod(0o600)
        return both

    def authority(self, name):
        """A root of its own; its file."""
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
                        "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem"],
                       cwd=self.directory, check=True, capture_output=True)
        return self.path(name)


_shared = None


def shared():
    """The PKI of this test run."""
    global _shared
    if _shared is None:
        import atexit
        import shutil
        directory = system.short_directory("xp-")
        atexit.register(shutil.rmtree, directory, True)
        _shared = Pki(directory)
    return _shared
