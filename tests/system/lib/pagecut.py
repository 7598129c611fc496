"""A relay before a directory (without TLS) that is cut after so many search results."""
import socket
import threading

SEARCH, SEARCH_DONE = 0x63, 0x65


def frame(data):
    """(length of the first LDAP message in data, its number, the tag of its operation, the first text in
    that), or None: not all there."""
    def size(at):
        n = data[at]
        if n < 128:
            return n, at + 1
        k = n & 127
        return int.from_bytes(data[at + 1:at + 1 + k], "big"), at + 1 + k
    try:
        n, at = size(1)
        end = at + n
        if end > len(data):
            return None
        n, at = size(at + 1)
        number, tag = data[at:at + n], data[at + n]
        _, at = size(at + n + 1)
        n, at = size(at + 1)
        return end, number, tag, data[at:at + n]
    except IndexError:
        return None


class PageCut:
    """after: the search results (each ends a page) that pass before everything is cut; None: all.
    done: those that passed since arm(). bases: of each of them, in lower case, where the search began."""

    def __init__(self, host, port):
        self.target = (host, port)
        self.lock, self.kept = threading.Lock(), []
        self.arm(None)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.uri = "ldap://127.0.0.1:%d" % self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, after):
        with self.lock:
            self.after, self.done, self.bases = after, 0, []

    def stop(self):
        self.socket.close()
        for s in self.kept:
            s.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            if self._over():
                client.close()
                continue
            try:
                server = socket.create_connection(self.target, 10)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            self.kept += [client, server]
            asked = {}
            threading.Thread(target=self._up, args=(client, server, asked), daemon=True).start()
            threading.Thread(target=self._down, args=(client, server, asked), daemon=True).start()

    def _over(self):
        with self.lock:
            return self.after is not None and self.done >= self.after

    @staticmethod
    def _end(*sockets):
        for s in sockets:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _up(self, client, server, asked):
        seen = b""
        try:
            while True:
                data = client.recv(65536)
                if not data:
                    break
                seen += data
                while (found := frame(seen)):
                    if found[2] == SEARCH:
                        asked[found[1]] = found[3].decode().lower()
                    seen = seen[found[0]:]
                server.sendall(data)
        except OSError:
            pass
        self._end(client, server)

    def _down(self, client, server, asked):
        data = b""
        try:
            while True:
                more = server.recv(65536)
                if not more:
                    break
                data += more
                while (found := frame(data)):
                    client.sendall(data[:found[0]])
                    data = data[found[0]:]
                    if found[2] == SEARCH_DONE:
                        with self.lock:
                            self.done += 1
                            self.bases.append(asked.get(found[1]))
                    if self._over():
                        self._end(client, server)
                        return
        except OSError:
            pass
        self._end(client, server)
