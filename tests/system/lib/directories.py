"""The three directories of the tests behind one face: what a story does to them, and the truth as
their own tools tell it. Where a server is missing the test fails."""
import base64
import json
import os
import re
import shutil
import socket
import uuid
from pathlib import Path

from slapd import SERVERS, free_pair, run


def unescape(value):
    """A DN's escapes as characters: servers choose different ones."""
    out, at, raw = bytearray(), 0, value.encode("utf-8")
    while at < len(raw):
        if raw[at:at + 1] == b"\\" and re.match(rb"[0-9a-fA-F]{2}", raw[at + 1:at + 3]):
            out += b"\0" + bytes([int(raw[at + 1:at + 3], 16)])
            at += 3
        elif raw[at:at + 1] == b"\\":
            out += b"\0" + raw[at + 1:at + 2]
            at += 2
        else:
            out += raw[at:at + 1]
            at += 1
    return out.decode("utf-8", "replace")


def same_dn(dn):
    """One spelling, good enough for the generator's names; an escaped character keeps its mark off."""
    return re.sub(r"\s*([,=+])\s*", r"\1", unescape(dn)).replace("\0", "").casefold()


def ldif(text):
    """[(dn, {attribute in lower case: [bytes]})] of what ldapsearch prints."""
    entries, lines = [], []
    for line in text.split("\n"):
        if line.startswith(" ") and lines:
            lines[-1] += line[1:]
        elif not line.startswith("#"):
            lines.append(line)
    dn, attributes = None, {}
    for line in lines + [""]:
        if not line:
            if dn is not None:
                entries.append((dn, attributes))
            dn, attributes = None, {}
            continue
        name, _, value = line.partition(":")
        raw = base64.b64decode(value[1:].strip()) if value.startswith(":") else value.strip().encode("utf-8")
        if name == "dn":
            dn = raw.decode("utf-8")
        else:
            attributes.setdefault(name.split(";")[0].lower(), []).append(raw)
    return entries


class Directory:
    """kind, uri (TLS), ca, people_dn, groups_dn, bind: what a configuration needs."""

    person = "(objectClass=person)"
    group = "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup)(objectClass=group))"
    key_attribute = "entryUUID"
    uid = "uid"
    strategy = "stamp"
    second = "stamp"  # the way that a setting may ask for instead
    data = ()  # the folders and files that are its database
    memory = "none"  # what it keeps of them elsewhere

    def __init__(self, folder):
        self.folder = Path(folder)
        self.env = {}

    def ctl(self, verb, *argv):
        old = dict(os.environ)
        os.environ.update(self.env)
        try:
            return run(SERVERS / self.name / "ctl", verb, self.folder, *argv)
        finally:
            os.environ.clear()
            os.environ.update(old)

    def seed(self, people, *options):
        self.ctl("seed", people, "--big", str(people * 3 // 4), *options)
        self.manifest = json.loads((self.folder / "seed.json").read_text(encoding="utf-8"))
        self.people_dn, self.groups_dn = self.manifest["people_dn"], self.manifest["groups_dn"]

    def stop(self):
        self.ctl("stop")

    def restart(self):
        self.ctl("stop")
        self.ctl("start", *self.start_arguments)

    def _copy(self, source, target):
        for name in self.data:
            shutil.rmtree(target / name, ignore_errors=True)
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            # files of a database are large and nearly empty
            run("cp", "-aT", "--sparse=always", source / name, target / name)

    def backup(self):
        """The database's files as they are, of a server that stands."""
        self.ctl("stop")
        self._copy(self.folder, self.folder / "backup")
        self.ctl("start", *self.start_arguments)

    def restore(self):
        """Puts those back: the server is where it was."""
        self.ctl("stop")
        for left in self.folder.glob(self.memory):
            left.unlink()
        self._copy(self.folder / "backup", self.folder)
        self.ctl("start", *self.start_arguments)

    # --- as the administrator ---

    def search(self, base, filter_text, *attributes, scope="sub"):
        return ldif(run("ldapsearch", "-x", "-LLL", "-o", "ldif-wrap=no", "-E", "pr=500/noprompt", "-H", self.plain_uri,
                        "-D", self.admin, "-w", self.admin_password, "-b", base, "-s", scope, filter_text, *attributes))

    def modify(self, text):
        run("ldapmodify", "-x", "-H", self.plain_uri, "-D", self.admin, "-w", self.admin_password, stdin=text)

    def set(self, uid, attribute, value):
        self.modify("dn:: %s\nchangetype: modify\nreplace: %s\n%s: %s\n" % (
            base64.b64encode(self.dn(uid).encode()).decode(), attribute, attribute, value))

    def dn(self, uid):
        return self.search(self.people_dn, "(%s=%s)" % (self.uid, uid), "1.1")[0][0]

    def rename(self, uid, rdn, superior=None):
        self.modify("dn:: %s\nchangetype: modrdn\nnewrdn: %s\ndeleteoldrdn: %d\n%s" % (
            base64.b64encode(self.dn(uid).encode()).decode(), rdn, self.uid != "uid",
            "newsuperior: %s\n" % superior if superior else ""))

    def delete(self, dn):
        run("ldapdelete", "-x", "-H", self.plain_uri, "-D", self.admin, "-w", self.admin_password, dn)

    def branch(self, name):
        """A new container below the people."""
        dn = "ou=%s,%s" % (name, self.people_dn)
        self.modify("dn: %s\nchangetype: add\nobjectClass: organizationalUnit\nou: %s\n" % (dn, name))
        return dn

    def key(self, raw):
        return raw.decode().lower()

    def add_group(self, name, members=()):
        """A group of these DNs."""
        dn = "cn=%s,%s" % (name, self.groups_dn)
        self.modify("dn: %s\nchangetype: add\n%scn: %s\n%s" % (
            dn, "".join("objectClass: %s\n" % c for c in self.group_class), name,
            "".join("member:: %s\n" % base64.b64encode(m.encode()).decode() for m in members)))
        return dn

    def add_member(self, group, member):
        self.modify("dn: %s\nchangetype: modify\nadd: member\nmember: %s\n" % (group, member))

    # --- the truth ---

    def truth(self):
        """{key: (uid, disabled, mails)}, and {key: (name, keys of members)}."""
        states = ("userAccountControl", "nsAccountLock", "pwdAccountLockedTime")
        number = "primaryGroupID" if self.uid == "sAMAccountName" else "gidNumber"
        people, places, uids, numbers = {}, {}, {}, {}
        for dn, a in self.search(self.people_dn, self.person, self.key_attribute, self.uid, "mail", number, *states):
            key = self.key(a[self.key_attribute.lower()][0])
            uid = a[self.uid.lower()][0].decode()
            people[key] = (uid, self.disabled(a), {m.decode("utf-8", "replace").casefold() for m in a.get("mail", [])})
            places[same_dn(dn)] = key
            uids.setdefault(uid.casefold(), []).append(key)
            if number.lower() in a:
                numbers.setdefault(int(a[number.lower()][0]), set()).add(key)
        groups = {}
        rows = self.search(self.groups_dn, self.group, self.key_attribute, "cn", "member", "uniqueMember", "memberUid",
                           "gidNumber", "objectSid")
        for dn, a in rows:
            places[same_dn(dn)] = self.key(a[self.key_attribute.lower()][0])
        for dn, a in rows:
            key = places[same_dn(dn)]
            members = {places.get(same_dn(m.decode("utf-8"))) for n in ("member", "uniquemember") for m in a.get(n, [])}
            for m in a.get("memberuid", []):
                members |= set(uids.get(m.decode().casefold(), []))
            own = int.from_bytes(a["objectsid"][0][-4:], "little") if "objectsid" in a else int(a.get("gidnumber", [b"0"])[0])
            members |= numbers.get(own, set()) if own else set()
            groups[key] = (a["cn"][0].decode("utf-8"), members - {None, key})
        return people, groups


HALF = "(|(uid=*1)(uid=*3)(uid=*5)(uid=*7)(uid=*9))"


class OpenLDAP(Directory):
    name, kind, strategy = "slapd", "openldap", "syncrepl"
    group_class, data = ("groupOfNames",), ("db", "accesslog")
    admin, admin_password = "cn=admin,dc=example,dc=test", "admin-secret"
    bind, password = "cn=bridge,ou=services,dc=example,dc=test", "bridge-secret"

    def start(self):
        self.port = free_pair()
        self.start_arguments = (self.port,)
        self.ctl("start", self.port)
        self.plain_uri = "ldap://127.0.0.1:%d" % self.port
        self.uri, self.ca = "ldaps://127.0.0.1:%d" % (self.port + 1), self.folder / "tls" / "ca.pem"

    def disabled(self, attributes):
        return attributes.get("pwdaccountlockedtime") == [b"000001010000Z"]

    def disable(self, uid):
        self.set(uid, "pwdAccountLockedTime", "000001010000Z")

    def enable(self, uid):
        self.modify("dn: %s\nchangetype: modify\ndelete: pwdAccountLockedTime\n" % self.dn(uid))

    def add(self, uid, parent=None):
        dn = "uid=%s,%s" % (uid, parent or self.people_dn)
        self.modify("dn: %s\nchangetype: add\nobjectClass: inetOrgPerson\nuid: %s\ncn: New %s\nsn: %s\n"
                    "mail: %s@example.test\n" % (dn, uid, uid, uid, uid))
        return dn


    def _rules(self, change):
        dn = ldif(run("ldapsearch", "-x", "-LLL", "-o", "ldif-wrap=no", "-H", self.plain_uri, "-D", "cn=config", "-w",
                      self.admin_password, "-b", "cn=config", "(olcSuffix=dc=example,dc=test)", "1.1"))[0][0]
        run("ldapmodify", "-x", "-H", self.plain_uri, "-D", "cn=config", "-w", self.admin_password,
            stdin="dn: %s\nchangetype: modify\n%s\n" % (dn, change))

    def prepare_half(self):
        """What must stand before hide_half() can."""

    def hide_half(self):
        """Every other person is not there for the account that leaverd binds as."""
        self._rules("add: olcAccess\nolcAccess: {0}to filter=%s by dn.exact=\"%s\" none by * break" % (HALF, self.bind))

    def show_all(self):
        self._rules("delete: olcAccess\nolcAccess: {0}")


class DS389(OpenLDAP):
    name, kind, strategy, key_attribute = "389ds", "389ds", "entryusn", "nsUniqueId"
    admin, admin_password = "cn=Directory Manager", "dm-secret-1"
    data, memory = ("db", "config/dse.ldif"), "run/__db.*"
    aci = ('(targetattr = "*")(targetfilter = "%s")(version 3.0; acl "half"; deny (all) userdn = "ldap:///%s";)'
           % (HALF, OpenLDAP.bind))

    def hide_half(self):
        self.modify("dn: %s\nchangetype: modify\nadd: aci\naci: %s\n" % (self.people_dn, self.aci))

    def show_all(self):
        self.modify("dn: %s\nchangetype: modify\ndelete: aci\naci: %s\n" % (self.people_dn, self.aci))

    def disabled(self, attributes):
        return [v.lower() for v in attributes.get("nsaccountlock", [])] == [b"true"]

    def disable(self, uid):
        self.set(uid, "nsAccountLock", "true")

    def enable(self, uid):
        self.modify("dn: %s\nchangetype: modify\ndelete: nsAccountLock\n" % self.dn(uid))


class Samba(Directory):
    name, kind, strategy, key_attribute, uid = "samba", "samba", "dirsync", "objectGUID", "sAMAccountName"
    person, group = "(&(objectCategory=person)(objectClass=user))", "(objectClass=group)"
    admin, admin_password = "Administrator@corp.example.test", "Adm1n-secret"
    bind, password = "bridge@example.test", "Br1dge-secret"
    group_class, second, data = ("group",), "usn", ("private", "state")

    def start(self):
        """Finds an address; seed() starts it."""
        # Samba's ports are fixed: another instance takes another loopback address
        for n in range(2, 250):
            address = "127.0.%d.%d" % (os.getpid() % 250 + 1, n)
            with socket.socket() as s:
                try:
                    s.bind((address, 389))
                except OSError:
                    continue
            break
        self.env = {"ADDR": address}
        self.start_arguments = ()
        self.plain_uri = "ldap://" + address
        self.uri, self.ca = "ldaps://" + address, self.folder / "tls" / "ca.pem"

    def seed(self, people, *options):
        # a domain is made for each seed: starting before would make one more
        super().seed(people, *options)
        self.ctl("start")

    def key(self, raw):
        return str(uuid.UUID(bytes_le=raw))

    def disabled(self, attributes):
        return bool(int(attributes["useraccountcontrol"][0]) & 2)

    def disable(self, uid):
        self.set(uid, "userAccountControl", "546")

    def enable(self, uid):
        self.set(uid, "userAccountControl", "544")

    def add(self, uid, parent=None):
        dn = "CN=%s,%s" % (uid, parent or self.people_dn)
        self.modify("dn: %s\nchangetype: add\nobjectClass: user\nsAMAccountName: %s\nuserPrincipalName: %s@example.test\n"
                    "userAccountControl: 544\nmail: %s@example.test\n" % (dn, uid, uid, uid))
        return dn


    def prepare_half(self):
        """Rights are inherited from containers here: half of the people get one of their own."""
        self.half = self.branch("half")
        self.modify("".join("dn:: %s\nchangetype: modrdn\nnewrdn: %s\ndeleteoldrdn: 1\nnewsuperior: %s\n\n" % (
            base64.b64encode(dn.encode()).decode(), re.match(r"(?:\\.|[^,\\])*", dn).group(), self.half)
            for dn, a in self.search(self.people_dn, "(&%s(sAMAccountName=u0*))" % self.person, self.uid)
            if a["samaccountname"][0][-1:] in b"13579"))

    def _inherit(self, what):
        self.ctl(what, "bridge", self.half)

    def hide_half(self):
        self._inherit("hide")

    def show_all(self):
        self._inherit("show")


KINDS = {"slapd": OpenLDAP, "389ds": DS389, "samba": Samba}
