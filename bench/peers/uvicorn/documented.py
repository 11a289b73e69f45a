"""uvicorn, which handles SIGTERM itself: the protocol of ASGI has no word for a stop."""
import sys
from pathlib import Path

import uvicorn

sys.path.append(str(Path(__file__).parents[1] / "websockets"))
from work import HOST, PORT, work  # noqa: E402


async def app(scope, receive, send):
    assert scope["type"] == "websocket"
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": await work(event["text"])})


# stop: run
# On SIGTERM, which it handles itself.
uvicorn.run(app, host=HOST, port=PORT, lifespan="off", log_level="warning")
# end of stop
