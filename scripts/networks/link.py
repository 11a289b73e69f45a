"""A bad link between two network namespaces: a TUN device in each, and this program in between.

    link.py SPECIFICATION

The specification is JSON: {"seed", "server": pid, "clients": pid, "count", "delay", "loss", "late": {"share", "by"},
"rate", "buffer"}; times in seconds, rate in bytes a second each way and for each client, buffer in seconds of it. The
processes with these pids have the namespaces: the server's gets 10.77.0.1, the clients' 10.77.1.1 and so on. Each client
has a link of its own.

What happens to a packet is drawn from the seed, by client, direction and its number there. Commands come by stdin, a
line each: "down", "up", "gone ADDRESS", "back ADDRESS". Each is answered by a line. At the end of stdin it says what
became of the packets, and ends.
"""

import fcntl
import heapq
import json
import os
import random
import select
import struct
import subprocess
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN = 0x0001
IFF_NO_PI = 0x1000


def open_tun(name):
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return tun


def ip(*arguments, inside=None):
    into = [] if inside is None else ["nsenter", f"--net=/proc/{inside}/ns/net"]
    subprocess.run([*into, "ip", *arguments], check=True)


def connect(pid, addresses):
    """A device in the namespace of this process, with these addresses. Returns our end of it."""
    name = f"link{pid}"
    tun = open_tun(name)
    ip("link", "set", name, "netns", str(pid))
    for address in addresses:
        ip("address", "add", f"{address}/16", "dev", name, inside=pid)
    ip("link", "set", name, "up", inside=pid)
    return tun


class Way:
    """One direction of one client's link."""

    def __init__(self, specification, name):
        self.delay = specification["delay"]
        self.loss = specification["loss"]
        self.late = specification["late"]
        self.rate = specification["rate"]
        self.buffer = specification["buffer"]
        self.draw = random.Random(f"{specification['seed']} {name}").random
        self.free_at = 0

    def arrival(self, length, now):
        """When a packet arrives that is sent now; None if it never does."""
        lost, late = self.draw() < self.loss, self.draw() < self.late["share"]
        if self.rate > 0:
            if self.free_at > now + self.buffer:
                return None
            self.free_at = max(now, self.free_at) + length / self.rate
        if lost:
            return None
        return max(now, self.free_at) + self.delay + (self.late["by"] if late else 0)


class Link:
    def __init__(self, specification):
        count = specification["count"]
        self.specification = specification
        self.server = connect(specification["server"], ["10.77.0.1"])
        self.clients = connect(specification["clients"], [f"10.77.1.{n + 1}" for n in range(count)])
        self.ways = {}
        self.under_way = []
        self.packets = self.lost = 0
        self.down = False
        self.gone = set()

    def run(self):
        commands = sys.stdin.fileno()
        while True:
            wait = max(0, self.under_way[0][0] - time.monotonic()) if self.under_way else None
            ready, _, _ = select.select([self.server, self.clients, commands], [], [], wait)
            # Packets before commands: who was told of a packet may say what becomes of the next.
            if self.server in ready:
                self.take(self.server, self.clients, "to", 16)
            if self.clients in ready:
                self.take(self.clients, self.server, "from", 12)
            self.deliver()
            if commands in ready:
                read = os.read(commands, 65536)
                if read == b"":
                    return
                for line in read.decode().splitlines():
                    self.obey(*line.split())
                    print("done", flush=True)

    def take(self, source, target, direction, client_at):
        while True:
            try:
                packet = os.read(source, 65536)
            except BlockingIOError:
                return
            if packet[0] >> 4 != 4:
                continue
            client = ".".join(map(str, packet[client_at : client_at + 4]))
            self.send(packet, target, client, direction)

    def send(self, packet, target, client, direction):
        name = f"{direction} {client}"
        if name not in self.ways:
            self.ways[name] = Way(self.specification, name)
        at = self.ways[name].arrival(len(packet), time.monotonic())
        self.packets += 1
        if at is None or self.down or client in self.gone:
            self.lost += 1
        else:
            heapq.heappush(self.under_way, (at, self.packets, target, packet))

    def deliver(self):
        while self.under_way and self.under_way[0][0] <= time.monotonic():
            _, _, target, packet = heapq.heappop(self.under_way)
            try:
                os.write(target, packet)
            except OSError:
                pass  # its namespace is gone

    def obey(self, command, *addresses):
        if command in ("down", "up"):
            self.down = command == "down"
        elif command == "gone":
            self.gone.update(addresses)
        elif command == "back":
            self.gone.difference_update(addresses)


link = Link(json.loads(sys.argv[1]))
print("ready", flush=True)
link.run()
print(json.dumps({"packets": link.packets, "lost": link.lost}), flush=True)
