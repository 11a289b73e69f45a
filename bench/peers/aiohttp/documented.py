"""aiohttp's server, stopped as its documentation does it on SIGTERM. The first argument says which way."""
import sys
from pathlib import Path

from aiohttp import WSCloseCode, WSMsgType, web

sys.path.append(str(Path(__file__).parents[1] / "websockets"))
from work import HOST, PORT, work  # noqa: E402

clients = set()


async def handler(request):
    websocket = web.WebSocketResponse()
    await websocket.prepare(request)
    clients.add(websocket)
    try:
        async for message in websocket:
            if message.type == WSMsgType.TEXT:
                await websocket.send_str(await work(message.data))
    finally:
        clients.discard(websocket)
    return websocket


def run_app(app):
    # stop: run_app
    # On SIGTERM, which it handles itself.
    web.run_app(app, host=HOST, port=PORT)
    # end of stop


def on_shutdown(app):
    # stop: on_shutdown
    async def say_goodbye(_):
        for websocket in set(clients):
            await websocket.close(code=WSCloseCode.GOING_AWAY, message="Server shutdown")

    app.on_shutdown.append(say_goodbye)
    web.run_app(app, host=HOST, port=PORT)
    # end of stop


app = web.Application()
app.add_routes([web.get("/", handler)])
{"run_app": run_app, "on_shutdown": on_shutdown}[sys.argv[1]](app)
