"""A receiver of webhooks: keeps what comes, and answers as it is told."""
import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hook:
    def __init__(self):
        self.calls, self.lock = [], threading.Lock()
        self.statuses, self.about = [], b""  # answers to the next calls whose body says that; 0: none
        self.hold, self.held, self.go = b"", threading.Event(), threading.Event()  # the first that says so waits
        hook = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with hook.lock:
                    status = hook.statuses.pop(0) if hook.statuses and hook.about in body else 200
                    hook.calls.append((self.path, dict(self.headers), body, status))
                    hold = hook.hold and hook.hold in body and not hook.held.is_set()
                    if hold:
                        hook.held.set()
                if hold:  # it has come, and the answer has not
                    hook.go.wait(120)
                    self.close_connection = True
                    return
                if status == 0:  # took it, and says nothing
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def of(self, path):
        with self.lock:
            return [c for c in self.calls if c[0] == path]

    @staticmethod
    def signed(call, key):
        """Whether a call carries the signature of its body and time under that key."""
        _, headers, body, _ = call
        text = headers["X-Leaverd-Timestamp"].encode() + b"." + body
        return headers["X-Leaverd-Signature"] == "v1=" + hmac.new(key.encode(), text, hashlib.sha256).hexdigest()

    @staticmethod
    def json(call):
        return json.loads(call[2])
