"""One journey of the unmodified Python client against the echo server; prints what it saw as one line of JSON.

Usage: python socketio_client.py URL (polling|websocket|upgrade) (sync|async)
"""

import asyncio
import json
import sys
import threading

import socketio

MESSAGES = 300
TEXT = "é€🙂\u2028\u001e"
AUTH = {"token": "t", "name": "é€🙂"}


def transports(mode):
    return None if mode == "upgrade" else [mode]


def run_sync(url, mode):
    seen, backs = {}, []
    large, kicked, gone, auth, echoed = (threading.Event() for _ in range(5))
    sio = socketio.Client(reconnection=False)

    @sio.on("auth")
    def on_auth(data):
        seen["auth"] = data
        auth.set()

    @sio.on("message-back")
    def on_back(n, text):
        backs.append([n, text])
        if len(backs) == MESSAGES:
            echoed.set()

    @sio.on("large-back")
    def on_large(text):
        seen["large"] = text == "x" * 400_000
        large.set()

    @sio.on("kick")
    def on_kick(data):
        seen["kick"] = data
        kicked.set()

    @sio.event
    def disconnect(reason):
        seen["disconnect"] = reason
        gone.set()

    sio.connect(url, auth=AUTH, transports=transports(mode))
    for n in range(MESSAGES):
        sio.emit("message", (n, TEXT))
    answer = sio.call("message-with-ack", (1, "2", {"3": [False]}), timeout=5)
    seen["ack"] = list(answer)
    assert auth.wait(5)
    # The client hands each event to a thread of its own, so their order here is the threads', not the network's.
    assert echoed.wait(5)
    # A few heartbeats go by.
    sio.sleep(1)
    seen["echoed"] = len(backs)
    seen["in_order"] = sorted(backs) == [[n, TEXT] for n in range(MESSAGES)]
    sio.emit("large", "x" * 400_000)
    assert large.wait(5)
    seen["connected"], seen["transport"] = sio.connected, sio.transport()
    sio.emit("kick-me", "enough")
    assert kicked.wait(5) and gone.wait(5)
    refused, errors = socketio.Client(reconnection=False), []
    refused.on("connect_error", errors.append)
    try:
        refused.connect(url, auth={"refuse": True}, transports=transports(mode))
    except socketio.exceptions.ConnectionError:
        seen["refused"] = errors[0]
    return seen


async def run_async(url, mode):
    seen, backs = {}, []
    large, kicked, gone, auth, echoed = (asyncio.Event() for _ in range(5))
    sio = socketio.AsyncClient(reconnection=False)

    @sio.on("auth")
    async def on_auth(data):
        seen["auth"] = data
        auth.set()

    @sio.on("message-back")
    async def on_back(n, text):
        backs.append([n, text])
        if len(backs) == MESSAGES:
            echoed.set()

    @sio.on("large-back")
    async def on_large(text):
        seen["large"] = text == "x" * 400_000
        large.set()

    @sio.on("kick")
    async def on_kick(data):
        seen["kick"] = data
        kicked.set()

    @sio.event
    async def disconnect(reason):
        seen["disconnect"] = reason
        gone.set()

    await sio.connect(url, auth=AUTH, transports=transports(mode))
    for n in range(MESSAGES):
        await sio.emit("message", (n, TEXT))
    seen["ack"] = list(await sio.call("message-with-ack", (1, "2", {"3": [False]}), timeout=5))
    await asyncio.wait_for(auth.wait(), 5)
    await asyncio.wait_for(echoed.wait(), 5)
    # A few heartbeats go by.
    await sio.sleep(1)
    seen["echoed"] = len(backs)
    seen["in_order"] = backs == [[n, TEXT] for n in range(MESSAGES)]
    await sio.emit("large", "x" * 400_000)
    await asyncio.wait_for(large.wait(), 5)
    seen["connected"], seen["transport"] = sio.connected, sio.transport()
    await sio.emit("kick-me", "enough")
    await asyncio.wait_for(kicked.wait(), 5)
    await asyncio.wait_for(gone.wait(), 5)
    refused, errors = socketio.AsyncClient(reconnection=False), []

    async def on_error(error):
        errors.append(error)

    refused.on("connect_error", on_error)
    try:
        await refused.connect(url, auth={"refuse": True}, transports=transports(mode))
    except socketio.exceptions.ConnectionError:
        seen["refused"] = errors[0]
    return seen


def main():
    url, mode, flavour = sys.argv[1:]
    seen = run_sync(url, mode) if flavour == "sync" else asyncio.run(run_async(url, mode))
    print(json.dumps(seen, ensure_ascii=False), flush=True)


main()
