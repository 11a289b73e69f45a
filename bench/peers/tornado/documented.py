"""Tornado, stopped with what its documentation has for it. The first argument says which way."""
import asyncio
import signal
import sys
from pathlib import Path

from tornado.httpserver import HTTPServer
from tornado.web import Application
from tornado.websocket import WebSocketClosedError, WebSocketHandler

sys.path.append(str(Path(__file__).parents[1] / "websockets"))
from work import HOST, PORT, work  # noqa: E402

clients = set()


class Handler(WebSocketHandler):
    def open(self):
        clients.add(self)

    async def on_message(self, message):
        reply = await work(message)
        try:
            await self.write_message(reply)
        except WebSocketClosedError:
            pass

    def on_close(self):
        clients.discard(self)


async def stop(server):
    # stop: stop
    server.stop()
    await server.close_all_connections()
    # end of stop


async def close(server):
    # stop: close
    server.stop()
    for handler in set(clients):
        handler.close(1001)
    await server.close_all_connections()
    while clients:
        await asyncio.sleep(0.01)
    # end of stop


async def main(way):
    server = HTTPServer(Application([("/", Handler)]))
    server.listen(PORT, HOST)
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    await told.wait()
    await way(server)


asyncio.run(main({"stop": stop, "close": close}[sys.argv[1]]))
