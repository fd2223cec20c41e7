"""A daemon as it must not be: `careless.py serve ARCHIVE --socket PATH`. Row 12 must find all that is wrong with it.

One thread serves all, and stands still for each byte that comes slowly and while answers wait. It keeps every answer that nobody reads, and gives nobody up.
"""

import select
import socket
import sys
import time

ANSWER = b"".join(b'{"rank":%d,"id":"c%d","report":"%s"}\n' % (rank, rank, b"x" * 400) for rank in range(1, 301)) + b"OK hits=300\n"


def answer(line):
    if line.startswith(b"SEARCH") and b"k=300" in line:
        return ANSWER
    return b"OK hits=0\n" if line.startswith(b"SEARCH") else b"OK PONG\n"


def main(path):
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(path)
    server.listen(1024)
    lines, unsent = {}, {}
    while True:
        readable, writable, _ = select.select([server, *lines], [client for client in lines if unsent[client]], [])
        for client in readable:
            if client is server:
                client = server.accept()[0]
                client.setblocking(False)
                lines[client], unsent[client] = b"", bytearray()
                continue
            try:
                part = client.recv(65536)
            except OSError:
                part = b""
            if not part:
                client.close()
                del lines[client], unsent[client]
                continue
            if len(part) == 1:
                time.sleep(0.01)
            if any(len(waiting) > 1 << 20 for waiting in unsent.values()):
                time.sleep(0.003)
            *whole, lines[client] = (lines[client] + part).split(b"\n")
            for line in whole:
                unsent[client] += answer(line)
        for client in writable:
            if client in unsent:
                try:
                    del unsent[client][: client.send(unsent[client])]
                except OSError:
                    pass


if __name__ == "__main__":
    main(sys.argv[sys.argv.index("--socket") + 1])
