"""10,000 messages each way over connections that are cut again and again, with the unmodified Python client; prints what it saw as one
line of JSON. The client reconnects by itself; what has no answer is said again here. Usage: python ledger.py URL (websocket|upgrade)
"""

import asyncio
import json
import sys

import socketio

MESSAGES = 10_000
PER_PUT = 50
PUTS = MESSAGES // PER_PUT


async def main(url, mode):
    sio = socketio.AsyncClient(reconnection_delay=0.005, reconnection_delay_max=0.02)
    state = {"seen": 0, "acked": 0, "wrong": None}
    connections = 0
    connected, received = asyncio.Event(), asyncio.Event()

    @sio.on("connect", namespace="/ledger")
    async def on_connect():
        nonlocal connections
        connections += 1
        connected.set()

    @sio.on("disconnect", namespace="/ledger")
    async def on_disconnect(_reason):
        connected.clear()

    @sio.on("items", namespace="/ledger")
    async def on_items(items):
        for item in items:
            if item == state["seen"]:
                state["seen"] += 1
            elif item > state["seen"] and state["wrong"] is None:
                state["wrong"] = f"item {item} after {state['seen']}"
        if state["seen"] == MESSAGES:
            received.set()
        return state["seen"]

    async def put_all():
        while state["acked"] < PUTS:
            first = state["acked"] * PER_PUT
            try:
                await asyncio.wait_for(connected.wait(), 5)
                items = list(range(first, first + PER_PUT))
                await sio.call("put", (items, f"python {mode}"), namespace="/ledger", timeout=0.5)
                state["acked"] += 1
            except (socketio.exceptions.SocketIOError, asyncio.TimeoutError):
                await asyncio.sleep(0.005)

    transports = None if mode == "upgrade" else [mode]
    auth = lambda: {"seen": state["seen"]}
    await sio.connect(url, namespaces=["/ledger"], transports=transports, auth=auth, retry=True, wait_timeout=2)
    await put_all()
    await received.wait()
    print(json.dumps({**state, "cut": connections > 5}), flush=True)
    await sio.disconnect()


asyncio.run(main(*sys.argv[1:]))
