# SPDX-License-Identifier: Apache-2.0
"""What does Linux's own multipath carry? One TCP or MPTCP stream; iperf3 3.12 knows no MPTCP.

  tcp_stream.py serve PORT                        on node b, until killed
  tcp_stream.py echo PORT                         the same for calls
  tcp_stream.py send ADDRESS PORT SECONDS         on node a; counts what the receiver has confirmed
  tcp_stream.py call ADDRESS PORT SECONDS         64 bytes there and back, once a millisecond; the longest gap in µs
"""
import socket
import sys
import time

MPTCP = 262  # IPPROTO_MPTCP, not in Python 3.11's socket
CHUNK = 1 << 18
WARM_UP_S = 0.5
CALL_BYTES = 64


def listen(port):
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, MPTCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", port))
    listener.listen()
    return listener


def serve(port):
    listener = listen(port)
    buffer = bytearray(CHUNK)
    while True:
        stream, _ = listener.accept()
        with stream:
            began, end, got = time.monotonic() + WARM_UP_S, 0.0, 0
            while (size := stream.recv_into(buffer)) > 0:
                end = time.monotonic()
                got += size if end >= began else 0
            stream.sendall(f"{got} {end - began}\n".encode())


def echo(port):
    listener = listen(port)
    while True:
        stream, _ = listener.accept()
        with stream:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while request := stream.recv(CALL_BYTES):
                stream.sendall(request)


def call(address, port, seconds):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, MPTCP) as stream:
        stream.connect((address, port))
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        time.sleep(WARM_UP_S)  # for the other subflows
        print("started", flush=True)
        replied = time.monotonic()
        until, gap = replied + seconds, 0.0
        while replied < until:
            time.sleep(0.001)
            stream.sendall(bytes(CALL_BYTES))
            left = CALL_BYTES
            while left > 0:
                left -= len(stream.recv(left))
            gap, replied = max(gap, time.monotonic() - replied), time.monotonic()
    print("gap", gap * 1e6)


def send(address, port, seconds):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, MPTCP) as stream:
        stream.connect((address, port))
        until = time.monotonic() + WARM_UP_S + seconds
        chunk = bytes(CHUNK)
        while time.monotonic() < until:
            stream.sendall(chunk)
        stream.shutdown(socket.SHUT_WR)
        got, took = stream.makefile().readline().split()
    print("mbit_per_s", int(got) * 8e-6 / float(took))


if __name__ == "__main__":
    if sys.argv[1] in ("serve", "echo"):
        {"serve": serve, "echo": echo}[sys.argv[1]](int(sys.argv[2]))
    else:
        {"send": send, "call": call}[sys.argv[1]](sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
