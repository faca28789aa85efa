"""Certificates with any dates, names, purposes and chains, for what a peer may get wrong."""
import datetime
import hashlib
import ssl
import subprocess

DAY = datetime.timedelta(days=1)


class Certificate:
    """A key with its certificate, and those above it as far as they are shown."""

    def __init__(self, directory, stem, chain):
        self.key, self.crt = directory / f"{stem}.key", directory / f"{stem}.crt"
        self.chain = chain              # of Certificate, nearest first
        self.both = directory / f"{stem}-both.pem"

    def file(self, shown=None):
        """One file with certificate, chain and key; shown: the chain in place of its own."""
        chain = self.chain if shown is None else shown
        parts = [self.crt, *[c.crt for c in chain], self.key]
        self.both.write_bytes(b"".join(p.read_bytes() for p in parts))
        self.both.chmod(0o600)
        return self.both

    def pin(self):
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.crt.read_text())).hexdigest()


class Authority:
    """Makes roots and what stands below them in one directory."""

    def __init__(self, directory):
        self.directory = directory
        self.count = 0
        (directory / "index.txt").write_text("")
        (directory / "ca.cnf").write_text(
            "[ca]\ndefault_ca=d\n[d]\nserial=serial\ndatabase=index.txt\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\nunique_subject=no\n"
            "[p]\ncommonName=supplied\n")

    def _run(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], cwd=self.directory, check=True, capture_output=True)

    def issue(self, name, signer=None, names=(), begins=-1, ends=30, usage="serverAuth,clientAuth", is_authority=False, san=None):
        """signer None: by itself. names: dNSNames; san: the whole subjectAltName. begins, ends: days from now."""
        self.count += 1
        stem = f"c{self.count}"
        above = [] if signer is None else [signer, *signer.chain] if signer.chain else [signer]
        made = Certificate(self.directory, stem, above)
        lines = ["basicConstraints=critical,CA:" + ("TRUE" if is_authority else "FALSE")]
        lines.append("keyUsage=" + ("critical,keyCertSign,cRLSign" if is_authority else "digitalSignature"))
        if not is_authority and usage:
            lines.append(f"extendedKeyUsage={usage}")
        san = san or ",".join(f"DNS:{n}" for n in names)
        if san:
            lines.append(f"subjectAltName={san}")
        (self.directory / f"{stem}.cnf").write_text("\n".join(lines) + "\n")
        now = datetime.datetime.now(datetime.timezone.utc)
        date = lambda days: (now + days * DAY).strftime("%Y%m%d%H%M%SZ")
        self._run("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
                  "-keyout", made.key, "-out", f"{stem}.csr")
        by = ("-selfsign", "-keyfile", made.key) if signer is None else ("-cert", signer.crt, "-keyfile", signer.key)
        self._run("ca", "-batch", "-config", "ca.cnf", "-in", f"{stem}.csr", *by, "-startdate", date(begins), "-enddate", date(ends),
                  "-extfile", f"{stem}.cnf", "-notext", "-rand_serial", "-out", made.crt)
        return made

    def root(self, name, **dates):
        return self.issue(name, is_authority=True, **dates)

    def intermediate(self, name, signer, **dates):
        return self.issue(name, signer, is_authority=True, **dates)
