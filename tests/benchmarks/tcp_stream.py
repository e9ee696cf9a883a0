# SPDX-License-Identifier: Apache-2.0
"""What does Linux's own multipath carry? One TCP or MPTCP stream; iperf3 3.12 knows no MPTCP.

  tcp_stream.py serve PORT                        on node b, until killed
  tcp_stream.py send ADDRESS PORT SECONDS         on node a; counts what the receiver has confirmed
"""
import socket
import sys
import time

MPTCP = 262  # IPPROTO_MPTCP, not in Python 3.11's socket
CHUNK = 1 << 18
WARM_UP_S = 0.5


def serve(port):
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, MPTCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", port))
    listener.listen()
    buffer = bytearray(CHUNK)
    while True:
        stream, _ = listener.accept()
        with stream:
            began, end, got = time.monotonic() + WARM_UP_S, 0.0, 0
            while (size := stream.recv_into(buffer)) > 0:
                end = time.monotonic()
                got += size if end >= began else 0
            stream.sendall(f"{got} {end - began}\n".encode())


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
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        send(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
