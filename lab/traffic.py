"""Ordinary traffic of the lab: the services of the victims, and the clients that use them.

traffic.py serve            the services, on addresses of 10.77.1.0/24
traffic.py WHAT SOURCE      one client, from its own address, until it is killed
"""

import itertools
import os
import socket
import struct
import sys
import threading
import time

TCP = {22: ["10.77.1.10", "10.77.1.22", "10.77.1.40", "10.77.1.161"],
       80: ["10.77.1.10", "10.77.1.20", "10.77.1.30", "10.77.1.162"],
       443: ["10.77.1.10", "10.77.1.20", "10.77.1.30"],
       3389: ["10.77.1.60"],
       8000: ["10.77.1.100"]}
UDP = [("10.77.1.53", 53), ("10.77.1.54", 27960), ("10.77.1.123", 123)]


def serve():
    for port, hosts in TCP.items():
        for host in hosts:
            start(listen, socket.create_server((host, port)))
    for address in UDP:
        start(answer, bound(socket.SOCK_DGRAM, address))
    threading.Event().wait()


def listen(server):
    while True:
        start(talk, server.accept()[0])


def talk(peer):
    """Gives a page for a GET, and an echo for anything else."""
    try:
        while data := peer.recv(4096):
            peer.sendall(b"." * 20000 if data.startswith(b"GET") else data)
    except ConnectionError:
        pass
    peer.close()


def answer(server):
    while True:
        data, peer = server.recvfrom(2048)
        server.sendto(data + b"an answer" * 10, peer)


def web(source):
    """Loads pages of three servers, two or three pages a session."""
    for n, host in enumerate(itertools.cycle(TCP[443][:3])):
        with connect(source, host, 80 if n % 4 == 0 else 443) as s:
            for _ in range(2 + n % 2):
                s.sendall(b"GET / HTTP/1.1\r\nHost: www\r\n\r\n")
                got = 0
                while got < 20000:
                    got += len(s.recv(65536))
                time.sleep(0.2)
        time.sleep(1)


def dns(source):
    """Asks each question from a new port, as resolvers do."""
    while True:
        ask((source, 0), UDP[0])
        time.sleep(0.5)


def ntp(source):
    while True:
        ask((source, 123), UDP[2])
        time.sleep(8)


def game(source):
    """A conversation on a port that no list knows."""
    s = bound(socket.SOCK_DGRAM, (source, 0))
    while True:
        s.sendto(b"move", UDP[1])
        s.recv(2048)
        time.sleep(0.1)


def session(source):
    """One long session, typed into now and then."""
    with connect(source, "10.77.1.22", 22) as s:
        while True:
            s.sendall(b"a key")
            s.recv(4096)
            time.sleep(0.7)


def ping(source):
    """Watches three hosts."""
    s = bound(socket.SOCK_RAW, (source, 0), socket.IPPROTO_ICMP)
    for n in itertools.count():
        for host in TCP[443]:
            echo = struct.pack("!BBHHH", 8, 0, 0, os.getpid() & 0xffff, n & 0xffff) + bytes(48)
            s.sendto(echo[:2] + struct.pack("!H", checksum(echo)) + echo[4:], (host, 0))
        time.sleep(2)


def failing(source):
    """Has bad luck with four services, and retries, but is no scanner."""
    doors = [("10.77.1.40", 8443), ("10.77.1.22", 80), ("10.77.1.210", 445), ("10.77.1.60", 5432)]
    for door in itertools.cycle(doors):
        try:
            connect(source, *door).close()
        except OSError:
            pass
        time.sleep(1)


def connect(source, host, port):
    return socket.create_connection((host, port), timeout=4, source_address=(source, 0))


def ask(source, server):
    with bound(socket.SOCK_DGRAM, source) as s:
        s.sendto(b"a question of some length", server)
        s.recv(2048)


def bound(kind, address, proto=0):
    s = socket.socket(socket.AF_INET, kind, proto)
    s.bind(address)
    return s


def checksum(data):
    return 0xffff - sum(struct.unpack(f"!{len(data) // 2}H", data)) % 0xffff


def start(run, *args):
    threading.Thread(target=run, args=args, daemon=True).start()


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
