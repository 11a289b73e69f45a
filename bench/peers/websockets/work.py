"""What both servers here do for a request, and where they listen."""
import asyncio
import os

HOST = "127.0.0.1"
PORT = int(os.environ.get("PORT", "8080"))

_work = float(os.environ.get("WORK", "100")) / 1000
_path = os.environ.get("LASTCALL_EFFECTS")
# Opened now, so that the file is there even if nothing is ever executed.
_effects = os.open(_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644) if _path else None


async def work(request: str) -> str:
    """Works on a request, whose first word is its id; notes the id as executed; returns the reply."""
    await asyncio.sleep(_work)
    if _effects is not None:
        os.write(_effects, (request.split(" ", 1)[0] + "\n").encode())
    return f"done: {request}"
