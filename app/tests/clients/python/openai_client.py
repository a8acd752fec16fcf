"""The official Python client of OpenAI against Tandem, sync and async.

Arguments: the address of two replicas, and an API key. The model behind them is
scripted, so the calls below come in the order of the scripts of the Rust test that
runs this. Prints what it did as one line of JSON; any wrong answer ends it.
"""

import asyncio
import json
import sys

import openai
from pydantic import BaseModel

ONE, OTHER, KEY = sys.argv[1:4]
QUESTION = "What does market beta measure?"
WEATHER = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"], "additionalProperties": False}
done = []


def client(base=ONE, key=KEY, kind=openai.OpenAI):
    return kind(base_url=base + "/v1", api_key=key, max_retries=0)


def equal(given, wanted):
    assert given == wanted, f"{given!r} is not {wanted!r}"


def raises(kind, status, call):
    try:
        call()
    except kind as error:
        equal(error.status_code, status)
        return error
    raise AssertionError(f"no {kind.__name__}")


class Numbers(BaseModel):
    numbers: list[int]


def models(api):
    names = [model.id for model in api.models.list()]
    assert "scripted" in names, names
    equal(api.models.retrieve("scripted").object, "model")
    raises(openai.NotFoundError, 404, lambda: api.models.retrieve("gpt-99"))
    done.append("models")


def completions(api):
    asked = [{"role": "user", "content": QUESTION}]
    whole = api.chat.completions.create(model="scripted", messages=asked, n=1, temperature=0.5, max_completion_tokens=99)
    message = whole.choices[0].message
    equal(message.content, "Beta measures moves [1].")
    cited = message.annotations[0].url_citation
    equal((cited.title, message.content[cited.start_index:cited.end_index]), ("Beta", "[1]"))
    equal((whole.usage.prompt_tokens, whole.usage.completion_tokens, whole.usage.total_tokens), (30, 7, 37))

    text, usage, annotations = "", None, []
    stream = api.chat.completions.create(model="scripted", messages=asked, stream=True, stream_options={"include_usage": True})
    for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            annotations += (choice.delta.model_extra or {}).get("annotations", [])
    equal((text, usage.total_tokens, len(annotations)), ("Beta measures moves [1].", 37, 1))

    with api.chat.completions.stream(model="scripted", messages=asked) as events:
        for _ in events:
            pass
        equal(events.get_final_completion().choices[0].message.content, "Beta measures moves [1].")
    done.append("chat")


def chat_tools(api):
    tools = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}]
    messages = [{"role": "user", "content": "How warm is it in Ulm?"}]
    first = api.chat.completions.create(model="scripted", messages=messages, tools=tools, tool_choice="auto")
    equal(first.choices[0].finish_reason, "tool_calls")
    call = first.choices[0].message.tool_calls[0]
    equal((call.function.name, json.loads(call.function.arguments)), ("weather", {"place": "Ulm"}))
    messages += [first.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "20 degrees"}]
    equal(api.chat.completions.create(model="scripted", messages=messages, tools=tools).choices[0].message.content, "It is warm.")

    with api.chat.completions.stream(model="scripted", messages=messages[:1], tools=tools) as events:
        done_event = [event for event in events if event.type == "tool_calls.function.arguments.done"][0]
        equal((done_event.name, json.loads(done_event.arguments)), ("weather", {"place": "Ulm"}))
    parsed = api.chat.completions.parse(model="scripted", messages=messages[:1], response_format=Numbers)
    equal(parsed.choices[0].message.parsed.numbers, [1, 2])
    done.append("chat tools")


def embeddings(api):
    model = [model.id for model in api.models.list()][-1]
    made = api.embeddings.create(model=model, input=["market beta", "a bond's duration"])
    floats = api.embeddings.create(model=model, input="market beta", encoding_format="float")
    equal((len(made.data), len(made.data[0].embedding)), (2, 384))
    assert all(abs(a - b) < 1e-5 for a, b in zip(made.data[0].embedding, floats.data[0].embedding))
    done.append("embeddings")


def responses(api):
    whole = api.responses.create(model="scripted", input=QUESTION, instructions="Be short.", metadata={"a": "b"})
    equal((whole.status, whole.output_text, whole.metadata), ("completed", "Beta measures moves [1].", {"a": "b"}))
    annotation = whole.output[0].content[0].annotations[0]
    equal((annotation.type, annotation.title), ("url_citation", "Beta"))
    equal((whole.usage.input_tokens, whole.usage.output_tokens_details.reasoning_tokens), (30, 0))
    equal(api.responses.retrieve(whole.id).output_text, whole.output_text)
    after = api.responses.create(model="scripted", input=[{"role": "user", "content": "And?"}], previous_response_id=whole.id)
    equal((after.output_text, after.previous_response_id), ("As I said.", whole.id))
    equal(api.responses.input_items.list(after.id).data[0].content[0].text, "And?")
    unstored = api.responses.create(model="scripted", input="Hello?", store=False)
    equal(unstored.output_text, "Hello.")
    raises(openai.NotFoundError, 404, lambda: api.responses.retrieve(unstored.id))
    parsed = api.responses.parse(model="scripted", input="Numbers?", text_format=Numbers)
    equal(parsed.output_parsed.numbers, [1, 2])
    api.responses.delete(parsed.id)
    raises(openai.NotFoundError, 404, lambda: api.responses.retrieve(parsed.id))
    done.append("responses")


def response_tools(api):
    tools = [{"type": "function", "name": "weather", "parameters": WEATHER, "strict": True}]
    items = [{"role": "user", "content": "How warm is it in Ulm?"}]
    called = api.responses.create(model="scripted", input=items, tools=tools)
    call = called.output[0]
    equal((call.type, call.name, json.loads(call.arguments)), ("function_call", "weather", {"place": "Ulm"}))
    # Once with the whole history, as clients do that keep it themselves, and once by id.
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "20 degrees"}
    items += [item.model_dump(exclude_none=True) for item in called.output] + [result]
    equal(api.responses.create(model="scripted", input=items, tools=tools).output_text, "It is warm.")
    by_id = api.responses.create(model="scripted", input=[result], tools=tools, previous_response_id=called.id)
    equal(by_id.output_text, "It is warm.")
    done.append("response tools")


def streamed(api):
    with api.responses.stream(model="scripted", input=QUESTION) as events:
        kinds = [event.type for event in events]
        final = events.get_final_response()
    equal(kinds[:4], ["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"])
    assert "response.output_text.annotation.added" in kinds, kinds
    equal((kinds[-1], final.output_text), ("response.completed", "Beta measures moves [1]."))
    equal(api.responses.retrieve(final.id).output_text, final.output_text)
    done.append("response stream")


def resumed(api, other):
    """Cut after every ten events, and gone on with at the other replica."""
    events, text, name = [], "", None
    stream = api.responses.create(model="scripted", input="Count", stream=True, background=True)
    cuts = 0
    while True:
        for taken, event in enumerate(stream):
            events.append(event.sequence_number)
            if event.type == "response.created":
                name = event.response.id
            if event.type == "response.output_text.delta":
                text += event.delta
            if taken == 9:
                break
        else:
            break
        stream.close()
        cuts += 1
        stream = [api, other][cuts % 2].responses.retrieve(name, stream=True, starting_after=events[-1])
    equal(events, list(range(len(events))))
    equal(text, "".join(f"word{number} " for number in range(60)))
    kept = other.responses.retrieve(name)
    equal((kept.status, kept.output_text), ("completed", text))
    assert cuts > 2, cuts
    done.append("response resume")


def background(api, other):
    begun = api.responses.create(model="scripted", input="Count", background=True)
    assert begun.status in ("queued", "in_progress"), begun.status
    for event in other.responses.retrieve(begun.id, stream=True):
        if event.type == "response.output_text.delta":
            break
    ended = other.responses.cancel(begun.id)
    for _ in range(100):
        if ended.status == "cancelled":
            break
        ended = api.responses.retrieve(begun.id)
    equal(ended.status, "cancelled")
    equal(api.responses.cancel(begun.id).status, "cancelled")
    done.append("response cancel")


def refusals(api):
    asked = [{"role": "user", "content": "Hello?"}]
    raises(openai.NotFoundError, 404, lambda: api.chat.completions.create(model="gpt-99", messages=asked))
    error = raises(openai.BadRequestError, 400, lambda: api.chat.completions.create(model="scripted", messages=asked, n=2))
    equal((error.param, error.type), ("n", "invalid_request_error"))
    raises(openai.AuthenticationError, 401, lambda: client(key="nobody").models.list())
    raises(openai.NotFoundError, 404, lambda: api.responses.retrieve("resp_" + "0" * 32))
    error = raises(openai.APIStatusError, 502, lambda: api.chat.completions.create(model="scripted", messages=asked))
    equal(error.type, "server_error")
    done.append("errors")


async def in_async():
    async with client(kind=openai.AsyncOpenAI) as api, client(OTHER, kind=openai.AsyncOpenAI) as other:
        asked = [{"role": "user", "content": QUESTION}]
        whole = await api.chat.completions.create(model="scripted", messages=asked)
        equal(whole.choices[0].message.content, "Beta measures moves [1].")
        text = ""
        async for chunk in await api.chat.completions.create(model="scripted", messages=asked, stream=True):
            text += chunk.choices[0].delta.content or ""
        equal(text, "Beta measures moves [1].")
        equal((await api.responses.create(model="scripted", input=QUESTION)).output_text, text)
        numbers, name = [], None
        stream = await api.responses.create(model="scripted", input="Count", stream=True, background=True)
        async for event in stream:
            numbers.append(event.sequence_number)
            name = event.response.id if event.type == "response.created" else name
            if len(numbers) == 15:
                break
        await stream.close()
        rest = await other.responses.retrieve(name, stream=True, starting_after=numbers[-1])
        async for event in rest:
            numbers.append(event.sequence_number)
        equal((event.type, numbers), ("response.completed", list(range(len(numbers)))))
        model = [model.id async for model in api.models.list()][-1]
        made = await api.embeddings.create(model=model, input="market beta")
        equal(len(made.data[0].embedding), 384)
        done.append("async")


with client() as api, client(OTHER) as other:
    models(api)
    completions(api)
    chat_tools(api)
    embeddings(api)
    responses(api)
    response_tools(api)
    streamed(api)
    resumed(api, other)
    background(api, other)
    refusals(api)
asyncio.run(in_async())
print(json.dumps({"version": openai.__version__, "done": done}))
