"""A directory server (OpenLDAP's slapd) on loopback with a configuration of its own."""
import shutil
import socket
import subprocess
import time

from . import pki, process, system

SUFFIX = "dc=capulet,dc=example"
SERVICE = f"cn=xmppd,{SUFFIX}"
SECRET = "sesame"
PROGRAM = "/usr/sbin/slapd"


def person(uid, password, **attributes):
    lines = [f"dn: uid={uid},ou=people,{SUFFIX}", "objectClass: inetOrgPerson", f"uid: {uid}", f"sn: {uid}", f"cn: {uid}"]
    if password:
        lines.append(f"userPassword: {password}")
    return "\n".join(lines + [f"{key}: {item}" for key, item in attributes.items()]) + "\n\n"


class Slapd:
    def __init__(self, people):
        self.directory = system.short_directory("sl-")
        self.port, self.tls_port = system.free_port(), system.free_port()
        # libldap takes "localhost" for the name of the machine.
        certificate = pki.shared().issue(dict.fromkeys(["localhost", socket.gethostname(), socket.getfqdn()]))
        (self.directory / "db").mkdir()
        self.config = self.directory / "slapd.conf"
        self.config.write_text(f"""
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile {self.directory}/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCACertificateFile {pki.shared().ca}
TLSCertificateFile {certificate}
TLSCertificateKeyFile {certificate}
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{SERVICE}" read by * none
database mdb
maxsize 10485760
suffix "{SUFFIX}"
rootdn "cn=root,{SUFFIX}"
rootpw {SECRET}
directory {self.directory}/db
""")
        seed = (f"dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\no: Capulet\ndc: capulet\n\n"
                f"dn: ou=people,{SUFFIX}\nobjectClass: organizationalUnit\nou: people\n\n"
                f"dn: {SERVICE}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: xmppd\nuserPassword: {SECRET}\n\n")
        subprocess.run(["/usr/sbin/slapadd", "-f", self.config], input=seed + people, text=True, check=True, capture_output=True)
        self.process = process.Process("slapd", [PROGRAM, "-f", self.config, "-h", f"ldap://127.0.0.1:{self.port} "
                                                 f"ldaps://127.0.0.1:{self.tls_port}", "-d", "0"], self.directory)

    def start(self):
        self.process.start()
        for _ in range(100):
            if subprocess.run(["ldapwhoami", "-x", "-H", f"ldap://127.0.0.1:{self.port}"], capture_output=True).returncode == 0:
                return self
            time.sleep(0.05 * system.PATIENCE)
        raise process.ProcessError("slapd does not answer\n" + self.process.log())

    def change(self, ldif):
        subprocess.run(["ldapmodify", "-x", "-H", f"ldap://127.0.0.1:{self.port}", "-D", f"cn=root,{SUFFIX}", "-w", SECRET],
                       input=ldif, text=True, check=True, capture_output=True)

    def stop(self):
        self.process.kill()

    def remove(self):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
