"""
Python's websockets 10.4 (2022, the version of Debian 12), stopped as its documentation does it on SIGTERM: the context
of `serve()` is left, which closes the server and, with 1001, every connection.

Later versions say it in other words in their FAQ ("How do I stop a server?": SIGTERM calls `server.close()`), and do the
same with the new implementation that came in 13 and is the default since 14: close every connection with 1001 (in the
newest sources, with a code of one's choice) and then wait for the handlers. Since 11, `close(close_connections=False)`
leaves the connections open; the server then waits until the clients have left.
"""
import asyncio
import signal

from websockets import serve
from work import HOST, PORT, work


async def handler(websocket):
    async for message in websocket:
        await websocket.send(await work(message))


async def main():
    # stop: leave serve()
    loop = asyncio.get_running_loop()
    stop = loop.create_future()
    loop.add_signal_handler(signal.SIGTERM, stop.set_result, None)
    async with serve(handler, HOST, PORT):
        await stop
    # end of stop


asyncio.run(main())
