"""Runs a command as another user, in a network whose only way out leads to this process, and tells what it did.

The default route is a TUN device, so whatever would leave, of any process and by any system call, arrives here as a
packet. While it is not answered its sender waits, and is found in /proc. Then it is told that nobody listens there.
Loopback is not seen. The first packet is this process's own: it shows that the device works.

Takes one argument, JSON: ``command``, ``uid``, ``gid``, ``home``, ``folder`` (where it starts), ``scratch`` (folders
that anybody may write), ``seconds``, ``keep`` (bytes of output), ``names`` (the address of the name server that
/etc/resolv.conf must name). Needs NET_ADMIN, SETUID and SETGID; the command has none of them. When this process ends,
the kernel ends everything that the command left.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

WORD = "SEKISHO_WATCH"
DEVICE = b"sekisho0"
HERE4, HERE6 = "192.0.2.1", "2001:db8::1"
NOWHERE = ("203.0.113.9", 9)
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
RTM_NEWLINK, RTM_NEWADDR, RTM_NEWROUTE = 16, 20, 24
NLM_F_REQUEST, NLM_F_ACK, NLM_F_CREATE = 0x001, 0x004, 0x400
IFA_ADDRESS, IFA_LOCAL, IFA_F_NODAD, RTA_OIF = 1, 2, 2, 4
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
PROTOCOLS = {ICMP: "icmp", TCP: "tcp", UDP: "udp", ICMPV6: "icmp"}
ECHO = {ICMP: 8, ICMPV6: 128}
DNS = 53
MOST = 100
"""Different attempts that are told; the number of all is told too."""

PR_SET_DUMPABLE = 4
CGROUPS = {
    "processes": ("max", ("pids.events", "pids/pids.events")),
    "memory": ("oom_kill", ("memory.events", "memory/memory.oom_control")),
}
"""What is counted when a limit was hit: the field, and where cgroups of version 2 and 1 have it."""


def attribute(kind: int, data: bytes) -> bytes:
    """Return a netlink attribute."""
    size = 4 + len(data)
    return struct.pack("HH", size, kind) + data + b"\0" * (-size % 4)


def configure(request: int, flags: int, body: bytes) -> None:
    """Ask the kernel for a change of the network (rtnetlink(7)); raise ``OSError`` if it refuses."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.bind((0, 0))
        header = struct.pack("IHHII", 16 + len(body), request, NLM_F_REQUEST | NLM_F_ACK | flags, 1, 0)
        kernel.send(header + body)
        (error,) = struct.unpack_from("i", kernel.recv(4096), 16)
    if error:
        raise OSError(-error, f"{os.strerror(-error)} (rtnetlink {request})")


def open_device() -> int:
    """Make the TUN device, give it an address, and lead every route to it; return its descriptor."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", DEVICE, IFF_TUN | IFF_NO_PI))
    index = socket.if_nametoindex(DEVICE.decode())
    configure(RTM_NEWLINK, 0, struct.pack("BxHiII", socket.AF_UNSPEC, 0, index, 1, 1))
    families = [(socket.AF_INET, HERE4, 32)]
    if Path("/proc/net/if_inet6").exists():
        families.append((socket.AF_INET6, HERE6, 128))
    for family, here, bits in families:
        address = socket.inet_pton(family, here)
        body = struct.pack("BBBBI", family, bits, IFA_F_NODAD, 0, index)
        configure(RTM_NEWADDR, NLM_F_CREATE, body + attribute(IFA_LOCAL, address) + attribute(IFA_ADDRESS, address))
        body = struct.pack("BBBBBBBBI", family, 0, 0, 0, 254, 3, 0, 1, 0)
        configure(RTM_NEWROUTE, NLM_F_CREATE, body + attribute(RTA_OIF, struct.pack("i", index)))
    return device


def parse(packet: bytes) -> tuple[int, int, str, int, bytes] | None:
    """Return (protocol, source port, destination, destination port, what it carries), or nothing.

    The kernel's own packets are nothing: routers that it looks for, groups that it joins.
    """
    if len(packet) < 20:
        return None
    if packet[0] >> 4 == 4:
        protocol, family, start = packet[9], socket.AF_INET, (packet[0] & 15) * 4
        destination = packet[16:20]
    else:
        protocol, family, start = packet[6], socket.AF_INET6, 40
        destination = packet[24:40]
    host, rest = socket.inet_ntop(family, destination), packet[start:]
    if protocol in (TCP, UDP) and len(rest) >= 8:
        source, port = struct.unpack_from("!HH", rest)
        return protocol, source, host, port, rest[8:] if protocol == UDP else b""
    if protocol in ECHO:
        return (protocol, struct.unpack_from("!H", rest, 4)[0], host, 0, b"") if rest[0] == ECHO[protocol] else None
    return None if protocol in (0, 2) else (protocol, 0, host, 0, b"")  # 0: IPv6 options of the kernel, 2: IGMP


def asked_name(query: bytes) -> str:
    """Return the name that a DNS query asks for (RFC 1035, 4.1), or nothing."""
    labels, at = [], 12
    while at < len(query) and query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii", "replace"))
        at += 1 + query[at]
    return ".".join(labels).lower()


def owner(protocol: int, port: int) -> str:
    """Return the command line of the process whose socket has a local port, or nothing if it is gone."""
    inodes = set()
    for version in ("", "6"):
        table = Path("/proc/net/" + PROTOCOLS.get(protocol, "raw") + version)
        for row in table.read_text().splitlines()[1:] if table.exists() else ():
            fields = row.split()
            if int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(entry.readlink()) in inodes for entry in (process / "fd").iterdir()):
                return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()[:200]
        except OSError:
            continue
    return ""


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total = int(sum(struct.unpack(f"!{len(padded) // 2}H", padded)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def refusal(packet: bytes) -> bytes:
    """Return the answer that nobody listens at a port: ICMP (RFC 792) or ICMPv6 (RFC 4443) unreachable."""
    if packet[0] >> 4 == 4:
        body = struct.pack("!BBHI", 3, 3, 0, 0) + packet[:28]
        body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
        header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, 64, ICMP, 0, packet[16:20], packet[12:16])
        return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + body
    body = struct.pack("!BBHI", 1, 4, 0, 0) + packet[:1000]
    pseudo = packet[24:40] + packet[8:24] + struct.pack("!II", len(body), ICMPV6)
    body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
    return struct.pack("!IHBB", 6 << 28, len(body), ICMPV6, 64) + packet[24:40] + packet[8:24] + body


class Recorder:
    """Reads what would leave, tells it once each, and refuses it."""

    def __init__(self, names: str) -> None:
        self.device = open_device()
        self.seen: dict[tuple[str, str, str, int, str], int] = {}
        self.packets = 0
        self._names = names
        self._last: dict[tuple[int, int], str] = {}

    def read(self) -> None:
        """Take what has arrived, and only then answer: who sent it is still there to be looked for."""
        arrived: list[bytes] = []
        with contextlib.suppress(BlockingIOError):
            while len(arrived) < MOST:
                arrived.append(os.read(self.device, 1 << 16))
        heard = [(packet, found) for packet in arrived if (found := parse(packet)) is not None]
        for _, found in heard:
            self._note(*found)
        for packet, _ in heard:
            with contextlib.suppress(OSError):  # to a group of hosts there is no answer
                os.write(self.device, refusal(packet))

    def _note(self, protocol: int, source: int, host: str, port: int, carried: bytes) -> None:
        kind = PROTOCOLS.get(protocol, f"protocol {protocol}")
        name = asked_name(carried) if port == DNS and protocol == UDP else ""
        self.packets += 1
        who = owner(protocol, source) or self._last.get((protocol, source), "")
        self._last[protocol, source] = who  # it may close the socket as soon as it is refused
        key = (who, kind, host, port, name)
        if key in self.seen or len(self.seen) < MOST:
            self.seen[key] = self.seen.get(key, 0) + 1

    def check(self) -> None:
        """Send a packet and see it arrive; raise ``OSError`` if it does not, since then nothing would."""
        lines = Path("/etc/resolv.conf").read_text().splitlines()
        servers = [line.split()[1] for line in lines if line.startswith("nameserver")]
        if servers != [self._names]:
            raise OSError(f"names would be asked at {servers}, where nobody looks")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", NOWHERE)
            select.select([self.device], [], [], 5)
            self.read()
        own = [key for key in self.seen if key[2:4] == NOWHERE and key[0]]
        if not own or self.packets != 1:
            raise OSError("the recorder does not see its own packet")
        self.seen.clear()
        self._last.clear()
        self.packets = 0


def see_as(task: dict[str, Any]) -> None:
    """Read files as the command's user does (setfsuid(2)): the entries of /proc that say which sockets are whose."""
    kernel = ctypes.CDLL(None)
    kernel.setfsgid(task["gid"])
    kernel.setfsuid(task["uid"])


def limits() -> dict[str, int]:
    """Return how often each limit of the container was hit."""
    found = {}
    for name, (field, places) in CGROUPS.items():
        files = [path for place in places if (path := Path("/sys/fs/cgroup") / place).exists()]
        rows = [row.split() for path in files for row in path.read_text().splitlines()]
        found[name] = sum(int(row[1]) for row in rows if row[0] == field)
    return found


def follow(
    process: subprocess.Popen[bytes], recorder: Recorder, task: dict[str, Any]
) -> tuple[bool, float, bytes, int]:
    """Wait for the command's own end or the end of its time; return (in time, seconds, its output's end, bytes)."""
    began, output, size = time.monotonic(), b"", 0
    if process.stdout is None:
        raise OSError("no pipe")
    pipe = process.stdout.fileno()
    os.set_blocking(pipe, False)
    reading, ended = [recorder.device, pipe], False
    while True:
        ready = select.select(reading, [], [], 0.0 if ended else 0.05)[0]
        if recorder.device in ready:
            recorder.read()
        if pipe in ready:
            piece = os.read(pipe, 1 << 16)
            size += len(piece)
            output = (output + piece)[-task["keep"] :]
            if not piece:
                reading.remove(pipe)
        seconds = time.monotonic() - began
        if ended and (not ready or size > 64 * task["keep"]):
            return True, seconds, output, size
        if not ended and seconds > task["seconds"]:
            return False, seconds, output, size
        ended = ended or process.poll() is not None


def main(task: dict[str, Any]) -> None:
    """Watch one command."""
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0)
    recorder = Recorder(task["names"])
    recorder.check()
    for folder in task["scratch"]:
        Path(folder).chmod(0o1777)  # an engine gives a folder in memory the mode of what it hides
    environment = {name: value for name, value in os.environ.items() if name != WORD} | {"HOME": task["home"]}
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    first_to_go = Path("/proc/self/oom_score_adj")
    first_to_go.write_text("1000")  # for what is started now
    process = subprocess.Popen(
        task["command"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=environment, cwd=task["folder"], start_new_session=True,
        user=task["uid"], group=task["gid"], extra_groups=[],
    )  # fmt: skip
    first_to_go.write_text("0")
    see_as(task)
    in_time, seconds, output, size = follow(process, recorder, task)
    left = sum(1 for path in Path("/proc").glob("[0-9]*") if path.name not in {str(os.getpid()), str(process.pid)})
    answer = {
        "status": process.returncode if in_time else -signal.SIGKILL,
        "in_time": in_time,
        "seconds": round(seconds, 2),
        "output": output.decode(errors="replace"),
        "bytes": size,
        "left": left,
        "limits": limits(),
        "attempts": [[*key, count] for key, count in recorder.seen.items()],
        "packets": recorder.packets,
    }
    print(f"\nsekisho-answer:{os.environ[WORD]}{json.dumps(answer)}", flush=True)  # noqa: T201 (its way to answer)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
