"""The official MCP client against two replicas; prints what it saw as one line of JSON.

Arguments: the two addresses, a key with many scopes, a key with `chat:read`.
"""

import asyncio
import json
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


def connected(base: str, key: str, mode: str) -> Client:
    http = httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=30)
    return Client(streamable_http_client(f"{base}/mcp", http_client=http), mode=mode)


async def call(client: Client, name: str, **arguments) -> dict:
    result = await client.call_tool(name, arguments)
    envelope = json.loads(result.content[0].text)
    assert result.structured_content == envelope, result
    assert bool(result.is_error) == (envelope["error"] is not None), result
    return envelope


async def uses(base: str, key: str, mode: str) -> dict:
    async with connected(base, key, mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == {"search_knowledge", "recall", "remember", "forget", "search_conversations"}, tools
        assert tools["recall"].input_schema["additionalProperties"] is False

        found = await call(client, "search_knowledge", query="market beta", limit=2)
        title = found["data"]["items"][0]["title"]

        for fact in ("I prefer euros", "I hold tobacco stocks"):
            saved = await call(client, "remember", fact=fact)
            assert saved["data"]["remembered"] == fact, saved
        recalled = await call(client, "recall", query="tobacco stocks")
        memory = next(item for item in recalled["data"]["items"] if "tobacco" in item["content"])
        shown = await call(client, "forget", memory_ids=[memory["id"]])
        assert shown["data"]["deleted"] is False, shown
        gone = await call(client, "forget", memory_ids=[memory["id"]], confirm=shown["data"]["confirm"])
        assert gone["data"]["deleted"] is True, gone

        wrong = await call(client, "search_knowledge", query="")
        assert wrong["error"]["type"] == "bad_arguments", wrong
        return {"title": title, "protocol": client.protocol_version, "server": client.server_info.name}


async def sees_little(base: str, key: str) -> None:
    async with connected(base, key, "auto") as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        assert names == ["search_conversations"], names
        try:
            await client.call_tool("recall", {"query": "anything"})
        except Exception as error:
            assert "no tool" in str(error), error
        else:
            raise AssertionError("a tool of another scope was called")


async def is_refused(base: str) -> None:
    try:
        async with connected(base, "tdm_wrong", "legacy") as client:
            await client.list_tools()
    except BaseException as error:
        assert not isinstance(error, (KeyboardInterrupt, AssertionError)), error
    else:
        raise AssertionError("a wrong key was let in")


async def main() -> None:
    base, other, key, narrow = sys.argv[1:5]
    told = await uses(base, key, "auto")
    await uses(other, key, "legacy")
    await sees_little(other, narrow)
    await is_refused(base)
    print(json.dumps(told))


asyncio.run(main())
