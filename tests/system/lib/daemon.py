"""leaverd as tests and the quickstart run it: an instance, commands, `serve`, a SCIM client."""
import http.client
import json
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

EMPLOYMENT = "urn:ietf:params:scim:schemas:extension:leaverd:2.0:Employment"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"


class CommandFault(RuntimeError):
    """A command that ended with another status than 0 (or the one that was wanted)."""

    def __init__(self, argv, status, out, err):
        super().__init__("leaverd %s: status %d: %s" % (" ".join(argv), status, (err or out).strip()))
        self.status, self.out, self.err = status, out, err


class Daemon:
    """One instance in a folder: its config, commands, and `serve` where it was started."""

    def __init__(self, binary, folder, clock=None, env=None):
        self.binary, self.folder = str(binary), Path(folder)
        self.config = self.folder / "leaverd.yaml"
        self.env = dict(os.environ, LEAVERD_CONFIG=str(self.config), NO_COLOR="1", COLUMNS="160")
        if clock:
            self.env["LEAVERD_CLOCK"] = str(getattr(clock, "path", clock))
        self.env.update(env or {})
        self.process = None
        self.scim_port = 0
        self.log = []

    def write_config(self, text):
        self.config.write_text(text, encoding="utf-8")
        os.chmod(self.config, 0o600)

    def make_instance(self, config):
        """`leaverd init` (state folder, master key, vault), then this config in place of its own."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.command("init", str(self.folder), "--name", "test", "--zone", "UTC", "--key", "file",
                     "--kind", "scim", "--source", "idp", "--address", "127.0.0.1:0", "--profile",
                     "generic", "--org-id", "00000000-0000-4000-8000-000000000000")
        self.write_config(config)

    def command(self, *argv, stdin=None, status=0, timeout=600):
        """What it prints. Another status than the wanted one is a CommandFault."""
        done = subprocess.run([self.binary, *argv], env=self.env, input=stdin if stdin is not None else "",
                              capture_output=True, text=True, timeout=timeout)
        wanted = status if isinstance(status, (tuple, list)) else (status,)
        if done.returncode not in wanted:
            raise CommandFault(argv, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def json(self, *argv, **options):
        return json.loads(self.command(*argv, "--json", **options))

    def start(self, timeout=60):
        """Starts `serve` and waits until it says that it is ready."""
        self.log = []
        ready = threading.Event()
        self.process = subprocess.Popen([self.binary, "serve"], env=self.env, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                        errors="replace")

        def read(stream):
            for line in stream:
                self.log.append(line.rstrip("\n"))
                if "serve.ready" in line:
                    match = re.search(r'"?port"?[=:] *"?(\d+)', line)
                    self.scim_port = int(match.group(1)) if match else 0
                    ready.set()
            ready.set()

        threading.Thread(target=read, args=(self.process.stderr,), daemon=True).start()
        if not ready.wait(timeout) or not any("serve.ready" in line for line in self.log):
            self.process.kill()
            self.process.wait()
            self.process = None
            raise RuntimeError("leaverd serve did not start:\n" + "\n".join(self.log[-20:]))

    def stop(self, how=signal.SIGTERM, timeout=60):
        """Ends `serve`; its status. None when it did not run."""
        if not self.process:
            return None
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            self.process = None
            raise RuntimeError("leaverd serve did not end:\n" + "\n".join(self.log[-20:]))
        self.process = None
        text = "\n".join(self.log)
        if how == signal.SIGTERM and (status != 0 or "Sanitizer" in text or "runtime error" in text):
            raise RuntimeError("leaverd serve ended with %d:\n%s" % (status, text[-4000:]))
        return status


def scim_user(person, employment=None, active=True):
    """A SCIM User out of an LDAP person (a dict of single values)."""
    user = {
        "schemas": [USER],
        "userName": person["mail"],
        "externalId": person["uid"],
        "displayName": person.get("cn", person["uid"]),
        "name": {"givenName": person.get("givenName"), "familyName": person.get("sn")},
        "emails": [{"type": "work", "primary": True, "value": person["mail"]}],
        "active": active,
    }
    if person.get("employeeNumber"):
        user["schemas"].append(ENTERPRISE)
        user[ENTERPRISE] = {"employeeNumber": person["employeeNumber"], "department": person.get("ou")}
    if employment:
        user["schemas"].append(EMPLOYMENT)
        user[EMPLOYMENT] = {k: v for k, v in employment.items() if v is not None}
    return user


class ScimClient:
    """A scripted identity provider: one connection a thread, kept alive."""

    def __init__(self, host, port, source, token):
        self.host, self.port, self.token = host, port, token
        self.base = "/scim/v2/%s/" % source
        self.local = threading.local()

    def request(self, method, path, body=None, headers=None):
        """(status, headers, document or None)."""
        if not getattr(self.local, "connection", None):
            self.local.connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        send = {"Authorization": "Bearer " + self.token, "Accept": "application/scim+json"}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            send["Content-Type"] = "application/scim+json"
        send.update(headers or {})
        try:
            self.local.connection.request(method, self.base + path, data, send)
            answer = self.local.connection.getresponse()
            text = answer.read()
        except (http.client.HTTPException, OSError):
            self.local.connection.close()
            self.local.connection = None
            raise
        return answer.status, dict(answer.getheaders()), json.loads(text) if text else None

    def _expect(self, wanted, method, path, body=None):
        status, _, document = self.request(method, path, body)
        if status not in wanted:
            raise RuntimeError("SCIM %s %s: %d %s" % (method, path, status, document))
        return document

    def create(self, resource, kind="Users"):
        return self._expect((201,), "POST", kind, resource)

    def patch(self, path, operations):
        return self._expect((200, 204), "PATCH", path, {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations})

    def delete(self, path):
        return self._expect((204,), "DELETE", path)

    def get(self, path):
        return self._expect((200,), "GET", path)
