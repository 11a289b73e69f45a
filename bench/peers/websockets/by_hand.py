"""
Python's websockets 10.4, stopped by a drain that is written by hand: the steps of ../drain-ws.mjs. A connection serves
its messages one after the other, so `recv()` is what tells that nothing waits.
"""
import asyncio
import signal
from time import monotonic

from websockets import ConnectionClosed, serve
from websockets.connection import State
from work import HOST, PORT, work

# stop: by hand
ACCEPT = 0.25
HANDSHAKE = 1
PONG = 2
QUIET = 0.2
PATIENCE = 5
CLOSE = 3
DEADLINE = 15


class Client:
    """What is to be known of a connection to say goodbye to it."""

    def __init__(self, websocket):
        self.websocket = websocket
        self.is_busy = False
        self.is_cut = False
        self.active_at = monotonic()

    async def serve(self):
        async for message in self.websocket:
            # What comes behind the cut is not started.
            if self.is_cut:
                continue
            self.is_busy = True
            reply = await work(message)
            try:
                await self.websocket.send(reply)
            finally:
                self.is_busy = False
                self.active_at = monotonic()

    async def goodbye(self):
        begun = monotonic()
        quiet = QUIET
        try:
            # Its Pong comes behind everything that the client had sent before.
            await asyncio.wait_for(await self.websocket.ping(), PONG)
            # From a client that is far away the next request takes its round trip.
            quiet = max(QUIET, 2 * (monotonic() - begun))
        except asyncio.TimeoutError:
            pass
        except ConnectionClosed:
            return
        while self.is_busy or monotonic() - self.active_at < quiet:
            if monotonic() - begun > PATIENCE:
                # Cut between two of its requests.
                self.is_cut = True
                if not self.is_busy:
                    break
            await asyncio.sleep(0.01)
        self.is_cut = True
        # Behind the replies. Waits for the client's Close and then for its FIN, for close_timeout each.
        await self.websocket.close(1012, "service restart")


clients = set()


async def handler(websocket):
    client = Client(websocket)
    clients.add(client)
    try:
        await client.serve()
    except ConnectionClosed:
        pass
    finally:
        clients.remove(client)


async def main():
    loop = asyncio.get_running_loop()
    stop = loop.create_future()
    loop.add_signal_handler(signal.SIGTERM, stop.set_result, None)
    server = await serve(handler, HOST, PORT, close_timeout=CLOSE)
    await stop
    # `close()` of websockets' own server would close the connections too, so only the listener is closed, and not
    # before nobody is in the middle of a handshake any more, or does not come to its end.
    begun = monotonic()
    await asyncio.sleep(ACCEPT)
    while monotonic() - begun < HANDSHAKE and any(each.state is State.CONNECTING for each in server.websockets):
        await asyncio.sleep(0.01)
    server.server.close()
    goodbyes = [asyncio.create_task(client.goodbye()) for client in clients]
    if goodbyes:
        await asyncio.wait(goodbyes, timeout=DEADLINE - (monotonic() - begun))
# end of stop


asyncio.run(main())
