"""A proxy on loopback that counts who comes, and refuses everybody."""

import contextlib
import socket
import threading


class RefusingProxy:
    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.asked = []  # first lines of the requests

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    @property
    def environment(self):
        """Every variable that names a proxy.

        None that says which hosts need none: gRPC takes an empty no_proxy for every host.
        """
        url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        names = ["http_proxy", "https_proxy", "all_proxy", "grpc_proxy"]
        return dict.fromkeys([*names, *map(str.upper, names)], url)

    def _serve(self):
        while True:
            try:
                conn, _ = self._listener.accept()
            except OSError:
                return
            with conn:
                conn.settimeout(5)
                try:
                    line = conn.recv(200).split(b"\r\n")[0].decode(errors="replace")
                except OSError as e:
                    line = str(e)
                self.asked.append(line)  # before the answer: a client that has it may look here
                with contextlib.suppress(OSError):
                    conn.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
