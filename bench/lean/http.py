"""Requests over kept-alive connections, one in flight on each. Arguments and answer as ``c/http.c``."""

import http.client
import json
import sys
import threading
import time
from pathlib import Path


def main(port: int, connections: int, requests: int, file: Path) -> None:
    """Print one line of JSON."""
    lines = file.read_bytes()[4:].decode().split("\r\n")
    path = lines[0].split(" ")[1]
    headers = dict(line.split(": ", 1) for line in lines[1:] if line)
    took: list[float] = []
    sizes: set[int] = set()
    failures: list[int] = []

    def ask(count: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for _ in range(count):
            begin = time.perf_counter()
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            sizes.add(len(answer.read()))
            took.append((time.perf_counter() - begin) * 1000)
            if answer.status != 200:
                failures.append(answer.status)

    threads = [threading.Thread(target=ask, args=(requests // connections,)) for _ in range(connections)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = (time.perf_counter() - begin) * requests / max(1, len(took))
    took.sort()
    found = {"seconds": seconds, "requests": requests, "failures": len(failures), "bytes": max(sizes)}
    found |= {"p50_ms": took[len(took) // 2], "p99_ms": took[int(len(took) * 0.99)]}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
