"""10,000 messages to the echo server and back with the unmodified Python client; prints what it saw as one line of JSON.

Every tenth message is bytes. At most 1,000 are on their way at a time; the first are sent before an upgrade begins.
Usage: python stream.py URL (polling|websocket|upgrade)
"""

import asyncio
import json
import sys

import socketio

MESSAGES = 10_000
WINDOW = 1_000
TEXT = "é€🙂\u2028"


def payload(n):
    return {"deep": [bytes([n & 255, n >> 8, 0, 255, 128])]} if n % 10 == 9 else TEXT


async def main(url, mode):
    sio = socketio.AsyncClient(reconnection=False)
    state = {"received": 0, "wrong": None}
    moved = asyncio.Event()
    answered = asyncio.get_running_loop().create_future()

    @sio.on("message-back", namespace="/custom")
    async def on_back(n, data):
        at = state["received"]
        if state["wrong"] is None and (n != at or data != payload(at)):
            state["wrong"] = f"at {at}: {n} {data}"
        state["received"] += 1
        moved.set()

    @sio.on("question", namespace="/custom")
    async def on_question(data):
        return {"reversed": data[::-1]}

    @sio.on("answered", namespace="/custom")
    async def on_answered(data):
        answered.set_result(data)

    async def until(count):
        while state["received"] < count:
            moved.clear()
            await asyncio.wait_for(moved.wait(), 20)

    transports = None if mode == "upgrade" else [mode]
    await sio.connect(url, namespaces=["/custom"], transports=transports)
    for n in range(MESSAGES):
        await until(n - WINDOW)
        await sio.emit("message", (n, payload(n)), namespace="/custom")
    await until(MESSAGES)
    ack = await sio.call("message-with-ack", {"a": [b"\1\2\3"]}, namespace="/custom", timeout=5)
    await sio.emit("ask-me", b"\1\2\3", namespace="/custom")
    reversed_bytes = (await asyncio.wait_for(answered, 5))["reversed"]
    seen = {**state, "ack": list(ack["a"][0]), "answered": list(reversed_bytes), "transport": sio.transport()}
    print(json.dumps(seen, ensure_ascii=False), flush=True)
    await sio.disconnect()


asyncio.run(main(*sys.argv[1:]))
