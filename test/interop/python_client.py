"""Clients of Python's websockets, for one scenario on each of the given ports.

Arguments: the mode (pipelined or closed-loop), connections and requests per scenario, then the ports. Prints one JSON
object a line: {"sent": port} once the server on that port has read what was sent at first, and at the end
{"port": port, "seen": [{"replies", "code", "reason", "wasClean"} for each connection]}.
"""

import asyncio
import json
import sys

import websockets


def tell(message):
    print(json.dumps(message), flush=True)


async def converse(websocket, connection, requests, replies):
    """Asks, waits for the reply and asks again."""
    for index in range(requests):
        await websocket.send(f"{connection}:{index}")
        replies.append(await websocket.recv())


async def pipeline(websocket, connection, requests):
    """Sends everything, and returns when a Pong shows that the server has read it."""
    for index in range(requests):
        await websocket.send(f"{connection}:{index}")
    await (await websocket.ping())


def seen(replies, closed):
    return {
        "replies": replies,
        "code": closed.rcvd.code if closed.rcvd else 1006,
        "reason": closed.rcvd.reason if closed.rcvd else "",
        "wasClean": closed.rcvd is not None and closed.sent is not None,
    }


async def read_to_the_end(websocket, replies):
    try:
        while True:
            replies.append(await websocket.recv())
    except websockets.ConnectionClosed as closed:
        return seen(replies, closed)


async def scenario(mode, port, connections, requests):
    sockets = await asyncio.gather(
        *(websockets.connect(f"ws://127.0.0.1:{port}", compression=None) for _ in range(connections))
    )
    replies = [[] for _ in sockets]
    if mode == "pipelined":
        await asyncio.gather(*(pipeline(socket, index, requests) for index, socket in enumerate(sockets)))
        tell({"sent": port})
    else:
        tell({"sent": port})
        await asyncio.gather(
            *(converse(socket, index, requests, replies[index]) for index, socket in enumerate(sockets))
        )
    ends = await asyncio.gather(*(read_to_the_end(socket, replies[index]) for index, socket in enumerate(sockets)))
    tell({"port": port, "seen": ends})


async def main():
    mode, connections, requests, *ports = sys.argv[1:]
    await asyncio.gather(*(scenario(mode, int(port), int(connections), int(requests)) for port in ports))


asyncio.run(main())
