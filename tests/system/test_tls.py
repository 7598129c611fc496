"""The door's TLS: certificates renewed while requests are under way, certificates of clients beside
tokens, tokens that an identity provider signs, a proxy in front."""
import http.client
import http.server
import json
import os
import signal
import socket
import ssl
import threading
import time
import urllib.request
from contextlib import closing

import pytest

from door import Authority, Door, Issuer, fingerprint, source

USER = "urn:ietf:params:scim:schemas:core:2.0:User"


def wait_for(what, within_s=120):
    until = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < until, "it did not come within %d s" % within_s
        time.sleep(0.02)


def hup(door, event):
    seen = sum(event in line for line in door.log)
    door.process.send_signal(signal.SIGHUP)
    wait_for(lambda: sum(event in line for line in door.log) > seen)


def tls_config(cert, key, more=""):
    return "  tls_cert: %s\n  tls_key: %s\n%s" % (cert, key, more)


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


# --- our own certificate -----------------------------------------------------------------------

def served(door, context):
    """Subject and serial number of the certificate that a new connection gets."""
    with socket.create_connection(("127.0.0.1", door.scim_port)) as raw:
        with context.wrap_socket(raw, server_hostname="127.0.0.1") as s:
            return s.getpeercert()["serialNumber"]


def test_a_renewed_certificate_is_served_and_no_request_is_lost(build, tmp_path, ca):
    first, second = ca.issue("server-1"), ca.issue("server-2")
    cert, key = tmp_path / "live.crt", tmp_path / "live.key"

    def install(pair):
        cert.write_bytes(pair[0].read_bytes())
        key.write_bytes(pair[1].read_bytes())

    install(first)
    with Door(build, tmp_path / "i", scim=tls_config(cert, key)) as d:
        token, context, stop, done, faults = d.token(), ca.trusting(), threading.Event(), [], []

        def client(number):
            """Keeps its connection, and opens another only when told that this one ends."""
            connection, i = None, 0
            while not stop.is_set():
                try:
                    if not connection:
                        connection = http.client.HTTPSConnection("127.0.0.1", d.scim_port, context=context, timeout=20)
                    i += 1
                    connection.request("POST", "/scim/v2/idp/Users", json.dumps(
                        {"schemas": [USER], "userName": "u-%d-%d" % (number, i)}), {"Authorization": "Bearer " + token})
                    answer = connection.getresponse()
                    answer.read()
                    done.append(answer.status)
                    if answer.getheader("Connection") == "close":
                        connection.close()
                        connection = None
                except Exception as fault:  # whatever it is, it is a lost request
                    faults.append(repr(fault))
                    return

        threads = [threading.Thread(target=client, args=(n,)) for n in range(6)]
        old = served(d, context)
        for t in threads:
            t.start()
        for turn in range(4):
            wait_for(lambda: len(done) > 40 * (turn + 1) or faults)
            install(second if turn % 2 == 0 else first)
            hup(d, "tls.reload")
            assert (served(d, context) == old) == (turn % 2 == 1)
        stop.set()
        for t in threads:
            t.join()
        assert not faults and set(done) == {201}
        total = json.loads(d.ask(path="/scim/v2/idp/Users?count=0", context=context)[2])["totalResults"]
        assert total == len(done)


def test_a_broken_certificate_changes_nothing_and_is_told(build, tmp_path, ca):
    cert, key = ca.issue("server-3")
    live = tmp_path / "live.crt"
    live.write_bytes(cert.read_bytes())
    with Door(build, tmp_path / "i", scim=tls_config(live, key)) as d:
        context = ca.trusting()
        before = served(d, context)
        for text in (b"", b"no PEM", ca.cert.read_bytes()):
            live.write_bytes(text)
            hup(d, "error tls.reload")
            assert served(d, context) == before
        live.unlink()
        hup(d, "error tls.reload")
        assert d.ask(context=context)[0] == 200
        assert any("live.crt" in line for line in d.log if "tls.reload" in line)


def test_old_tls_is_refused(build, tmp_path, ca):
    with Door(build, tmp_path, scim=tls_config(*ca.issue("server-4"))) as d:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = ca.trusting()
            context.minimum_version = context.maximum_version = version
            assert d.ask(context=context)[0] == 200
        context = ca.trusting()
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, OSError)):
            d.ask(context=context)


def test_a_body_without_end_is_answered_over_tls_too(build, tmp_path, ca):
    with Door(build, tmp_path, scim=tls_config(*ca.issue("server-5"))) as d:
        with socket.create_connection(("127.0.0.1", d.scim_port), timeout=20) as raw:
            with ca.trusting().wrap_socket(raw, server_hostname="127.0.0.1") as s:
                s.sendall(b"POST /scim/v2/idp/Users HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                          b"Authorization: Bearer " + d.token().encode() + b"\r\n\r\n")
                chunk = b"4000\r\n" + b"x" * 16384 + b"\r\n"
                for _ in range(160):  # 2.5 MiB: more than the limit and what is dropped beyond it
                    s.sendall(chunk)
                assert s.recv(65536).startswith(b"HTTP/1.1 413 ")


# --- certificates of clients -------------------------------------------------------------------

def test_a_source_may_want_a_certificate_beside_the_token(build, tmp_path, ca):
    good, wrong = ca.issue("idp", "clientAuth", "DNS:idp.example"), ca.issue("else", "clientAuth", "DNS:else.example")
    server, stranger = ca.issue("srv", "serverAuth"), Authority(tmp_path / "other").issue("idp", "clientAuth")
    sources = (source("idp", "      client_cert: [\"dns:idp.example\"]") +
               source("print", "      client_cert: [\"sha256:%s\"]" % fingerprint(good[0]).upper()) +
               source("subject", "      client_cert: [\"subject:CN=idp\"]") + source("open"))
    with Door(build, tmp_path / "i", scim=tls_config(*ca.issue("server-6"), "  tls_client_ca: %s" % ca.cert),
              sources=sources) as d:
        def status(name, client, token=None):
            return d.ask(path="/scim/v2/%s/Users" % name, context=ca.trusting(client), token=token or d.token(name))[0]

        for name in ("idp", "print", "subject"):
            assert status(name, good) == 200
            assert status(name, wrong) == 403
            assert status(name, None) == 403
            assert status(name, server) == 403  # of the CA, but not for clients
            assert status(name, good, "wrong") == 401  # beside the token, not instead of it
        # A certificate of another CA: not sent by a client that is told which count, or refused.
        try:
            assert status("idp", stranger) == 403
        except (ssl.SSLError, OSError):
            pass
        assert status("open", None) == 200
        answer = d.ask(context=ca.trusting(), token=d.token("idp"))
        assert "certificate" in json.loads(answer[2])["detail"]


def test_a_listener_may_require_a_certificate_of_everybody(build, tmp_path, ca):
    client = ca.issue("anyone", "clientAuth", "DNS:anyone.example")
    with Door(build, tmp_path, scim=tls_config(*ca.issue("server-7"), "  tls_client_ca: %s\n  tls_client: require"
                                               % ca.cert)) as d:
        assert d.ask(context=ca.trusting(client))[0] == 200
        status, _, body = d.ask(context=ca.trusting())
        assert status == 403 and "certificate" in json.loads(body)["detail"]
        assert d.ask(path="/readyz", context=ca.trusting())[0] == 403


# --- tokens of an identity provider ------------------------------------------------------------

class KeyServer:
    """Serves a JWK Set over TLS; counts how often it was asked."""

    def __init__(self, ca):
        self.keys, self.asked, self.status, self.delay = [], 0, 200, 0.0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked += 1
                time.sleep(outer.delay)
                text = json.dumps({"keys": outer.keys}).encode()
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(text)))
                self.send_header("Cache-Control", "public, max-age=1")
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*map(str, ca.issue("keys")))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = "https://127.0.0.1:%d/keys" % self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


JWT = """\
      rights: [read, write]
      jwt:
        issuer: https://idp.example/
        audience: [api://leaverd]
        %s
        claims: [azp=provisioner]
        me: sub=externalId
        scopes: [scim]"""


def claims(**changes):
    now = int(time.time())
    return dict({"iss": "https://idp.example/", "aud": "api://leaverd", "exp": now + 600, "nbf": now - 5,
                 "azp": "provisioner", "scope": "scim", "sub": "s"}, **changes)


def test_tokens_that_an_identity_provider_signed_open(build, tmp_path, ca):
    one, two = Issuer(tmp_path, "k1"), Issuer(tmp_path, "k2")
    keys = KeyServer(ca)
    with closing(keys):
        keys.keys, keys.delay = [one.jwk], 0.5
        jwt = JWT % ("jwks_url: %s\n        ca_file: %s" % (keys.url, ca.cert))
        with Door(build, tmp_path / "i", sources=source("idp", jwt) + source("plain")) as d:
            # The first comes before the keys: it waits for them, and others are served meanwhile.
            assert d.ask(token=one.sign(claims()))[0] == 200
            for changes, status in (({}, 200), ({"exp": int(time.time()) - 300}, 401), ({"iss": "https://x/"}, 401),
                                    ({"aud": "api://else"}, 401), ({"azp": "other"}, 401), ({"scope": "mail"}, 403),
                                    ({"nbf": int(time.time()) + 3000}, 401)):
                got, headers, body = d.ask(token=one.sign(claims(**changes)))
                assert got == status, (changes, got, body)
                if status == 401:
                    assert 'error="invalid_token"' in headers["www-authenticate"] and json.loads(body)["detail"]
                if status == 403:
                    assert 'error="insufficient_scope"' in headers["www-authenticate"]
            # What it writes is in the chain under its name; what the source may not, it may not.
            status, headers, body = d.ask("POST", "/scim/v2/idp/Users", token=one.sign(claims()), body=json.dumps(
                {"schemas": [USER], "userName": "ada", "externalId": "s"}))
            assert status == 201
            # A claim says which of the source's users a token is itself.
            status, headers, mine = d.ask(path="/scim/v2/idp/Me", token=one.sign(claims()))
            assert status == 200 and json.loads(mine)["userName"] == "ada"
            assert headers["location"] == json.loads(body)["meta"]["location"]
            assert d.ask(path="/scim/v2/idp/Me", token=one.sign(claims(sub="nobody")))[0] == 501
            assert any("token:jwt:provisioner" in e for e in d.command("audit", "export").split("\n"))
            path = "/scim/v2/idp/Users/" + json.loads(body)["id"]
            assert d.ask("DELETE", path, token=one.sign(claims()))[0] == 403
            # Another source's URL, and another issuer's key under a known name.
            assert d.ask(path="/scim/v2/plain/Users", token=one.sign(claims()))[0] == 401
            two.kid = "k1"
            assert d.ask(token=two.sign(claims()))[0] == 401
            two.kid = "k2"
            # A key that is not there is asked for at most now and then, whoever asks how often.
            asked = keys.asked
            for _ in range(5):
                assert d.ask(token=two.sign(claims()))[0] == 401
            assert keys.asked <= asked + 1
            # Rotation: read again when asked to, while requests go on; the old keys are gone then.
            keys.keys, keys.delay = [two.jwk], 0
            d.process.send_signal(signal.SIGHUP)
            wait_for(lambda: d.ask(token=two.sign(claims()))[0] == 200)
            assert d.ask(token=one.sign(claims()))[0] == 401
            # With its server away the keys stay good.
            keys.status, asked = 500, keys.asked
            d.process.send_signal(signal.SIGHUP)
            wait_for(lambda: any("warn jwks.fetch" in line for line in d.log))
            assert d.ask(token=two.sign(claims()))[0] == 200
            assert d.ask(token=one.sign(claims()))[0] == 503  # nobody can say now
            bad = [c for c in d.json("doctor", status=tuple(range(11)))["checks"] if c["check"] == "issuer"]
            assert bad[0]["verdict"] == "bad" and keys.url in bad[0]["text"]
            keys.status = 200
            good = [c for c in d.json("doctor", status=tuple(range(11)))["checks"] if c["check"] == "issuer"]
            assert good[0]["verdict"] == "ok" and "1 keys" in good[0]["text"]


def test_stopping_does_not_wait_for_a_key_server_that_hangs(build, tmp_path, ca):
    one = Issuer(tmp_path, "k1")
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        jwt = JWT % ("jwks_url: http://127.0.0.1:%d/keys" % silent.getsockname()[1])
        with Door(build, tmp_path / "i", sources=source("idp", jwt)) as d:
            answers = []
            threads = [threading.Thread(target=lambda: answers.append(d.ask(token=one.sign(claims()))[0]))
                       for _ in range(4)]
            for t in threads:
                t.start()
            assert d.ask()[0] == 200  # the parked hold nobody up
            began = time.monotonic()
            d.stop()
            assert time.monotonic() - began < 4
            for t in threads:
                t.join()
            assert set(answers) <= {503, 401}, answers


def test_keys_may_come_from_a_file(build, tmp_path):
    one = Issuer(tmp_path, "k1")
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [one.jwk]}))
    with Door(build, tmp_path / "i", sources=source("idp", JWT % ("jwks_file: %s" % file))) as d:
        assert d.ask(token=one.sign(claims()))[0] == 200
        assert d.ask()[0] == 200  # our own tokens open beside it


# --- behind a proxy ----------------------------------------------------------------------------

class Proxy:
    """A reverse proxy as people run them: TLS in front, HTTP behind, X-Forwarded-For added."""

    def __init__(self, ca, port):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                send = {k: v for k, v in self.headers.items() if k.lower() not in ("connection", "host")}
                said = self.headers.get("X-Forwarded-For")
                send["X-Forwarded-For"] = (said + ", " if said else "") + self.client_address[0]
                send["Host"] = "leaverd.internal"
                with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as up:
                    up.request(self.command, self.path, body or None, send)
                    answer = up.getresponse()
                    text = answer.read()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("connection", "content-length", "transfer-encoding", "date"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*map(str, ca.issue("proxy")))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def test_behind_a_proxy_links_and_addresses_are_the_outside_ones(build, tmp_path, ca):
    with Door(build, tmp_path, scim="  trusted_proxies: [127.0.0.0/8]") as d:
        with closing(Proxy(ca, d.scim_port)) as proxy:
            def ask(method, path, body=None, headers=None, token=d.token()):
                with closing(http.client.HTTPSConnection("127.0.0.1", proxy.port, context=ca.trusting(),
                                                         timeout=20)) as c:
                    c.request(method, path, json.dumps(body) if body else None,
                              dict({"Authorization": "Bearer " + token} if token else {}, **(headers or {})))
                    answer = c.getresponse()
                    return answer.status, dict(answer.getheaders()), answer.read()

            status, headers, body = ask("POST", "/scim/v2/idp/Users", {"schemas": [USER], "userName": "ada"},
                                        {"X-Forwarded-For": "203.0.113.5"})
            location = "https://scim.example.com/scim/v2/idp/Users/"
            assert status == 201 and headers["Location"].startswith(location)
            assert json.loads(body)["meta"]["location"] == headers["Location"]
            # What the proxy added is believed, and behind it what a trusted hop had added before:
            # the address of the client is in the audit chain.
            entries = [e for e in d.command("audit", "export").split("\n") if "record.create" in e]
            assert "203.0.113.5" in entries[0]
            # Who fails is slowed by that address, not by the proxy's: others are not.
            for _ in range(25):
                status = ask("GET", "/scim/v2/idp/Users", None, {"X-Forwarded-For": "203.0.113.6"}, None)[0]
            assert status == 429
            assert ask("GET", "/scim/v2/idp/Users", None, {"X-Forwarded-For": "203.0.113.7"}, None)[0] == 401
            assert ask("GET", "/scim/v2/idp/Users")[0] == 200


# --- reload ------------------------------------------------------------------------------------

def test_a_reload_takes_what_it_may_and_names_what_it_may_not(build, tmp_path):
    with Door(build, tmp_path, scim="  trusted_proxies: [127.0.0.0/8]") as d:
        text = d.config.read_text()
        assert d.ask()[0] == 200
        d.write_config(text.replace("level: info", "level: debug"))
        hup(d, "info config.reload")
        d.write_config(text.replace("level: info", "level: debug").replace("public_url: https://scim", "public_url: https://new"))
        hup(d, "warn config.reload")
        assert any("needs_restart=public_url" in line for line in d.log)
        # values of a list may be people, or the address of a hook: its key alone is named
        d.write_config(text.replace("level: info", "level: debug").replace("[127.0.0.0/8]", "[127.0.0.0/8, 192.0.2.7]"))
        hup(d, "warn config.reload")
        assert any("needs_restart=trusted_proxies" in line for line in d.log)
        d.write_config(text.replace("level: info", "level: debug").replace("[127.0.0.0/8]", "[192.0.2.7]"))
        hup(d, "warn config.reload")
        assert not any("192.0.2.7" in line for line in d.log)
        d.write_config(text.replace("level: info", "level: loud"))
        hup(d, "error config.reload")
        assert any("loud" in line for line in d.log if "error config.reload" in line)
        assert d.ask()[0] == 200
        # The level counts from the reload on: what is told of below it is not seen between two
        # lines that are.
        d.write_config(text.replace("level: info", "level: warn").replace("https://scim", "https://new"))
        hup(d, "warn config.reload")
        begin = len(d.log)
        assert d.ask(token=None)[0] == 401
        d.write_config("no: config")
        hup(d, "error config.reload")
        assert not any("scim.denied" in line for line in d.log[begin:])
        d.write_config(text)
        hup(d, "info config.reload")
        assert d.ask(token=None)[0] == 401
        wait_for(lambda: any("scim.denied" in line for line in d.log[begin:]))
