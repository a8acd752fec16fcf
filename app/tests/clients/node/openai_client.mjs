// The official npm client of OpenAI against Tandem.
//
// Arguments: the address of two replicas, and an API key. The model behind them is
// scripted, so the calls below come in the order of the scripts of the Rust test that
// runs this. Prints what it did as one line of JSON; any wrong answer ends it.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

// Installed outside the project: see scripts/clients_node.sh.
const require = createRequire(process.env.TANDEM_NODE_CLIENTS + "/");
const OpenAI = require("openai");
const { VERSION: version } = require("openai/version");

const [one, other, key] = process.argv.slice(2);
const client = (base = one, apiKey = key) => new OpenAI({ baseURL: `${base}/v1`, apiKey, maxRetries: 0 });
const api = client();
const there = client(other);
const model = "scripted";
const question = "What does market beta measure?";
const weather = { type: "object", properties: { place: { type: "string" } } };
const done = [];

async function refused(status, call) {
  await assert.rejects(call, (error) => {
    assert.equal(error.status, status, String(error));
    return true;
  });
}

async function models() {
  const names = (await api.models.list()).data.map((known) => known.id);
  assert.ok(names.includes(model), names.join());
  assert.equal((await api.models.retrieve(model)).object, "model");
  await refused(404, () => api.models.retrieve("gpt-99"));
  done.push("models");
}

async function completions() {
  const messages = [{ role: "user", content: question }];
  const whole = await api.chat.completions.create({ model, messages, temperature: 0.5 });
  const { content, annotations } = whole.choices[0].message;
  assert.equal(content, "Beta measures moves [1].");
  const cited = annotations[0].url_citation;
  assert.deepEqual([cited.title, content.slice(cited.start_index, cited.end_index)], ["Beta", "[1]"]);
  assert.equal(whole.usage.total_tokens, 37);

  let text = "";
  let usage = null;
  const stream = await api.chat.completions.create({ model, messages, stream: true, stream_options: { include_usage: true } });
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    usage = chunk.usage ?? usage;
  }
  assert.deepEqual([text, usage.total_tokens], ["Beta measures moves [1].", 37]);
  const final = await api.chat.completions.stream({ model, messages }).finalChatCompletion();
  assert.equal(final.choices[0].message.content, text);
  done.push("chat");
}

async function chatTools() {
  const tools = [{ type: "function", function: { name: "weather", parameters: weather } }];
  const messages = [{ role: "user", content: "How warm is it in Ulm?" }];
  const first = await api.chat.completions.create({ model, messages, tools });
  const call = first.choices[0].message.tool_calls[0];
  assert.equal(first.choices[0].finish_reason, "tool_calls");
  assert.deepEqual([call.function.name, JSON.parse(call.function.arguments)], ["weather", { place: "Ulm" }]);
  messages.push(first.choices[0].message, { role: "tool", tool_call_id: call.id, content: "20 degrees" });
  const second = await api.chat.completions.create({ model, messages, tools });
  assert.equal(second.choices[0].message.content, "It is warm.");
  const streamed = await api.chat.completions.stream({ model, messages: messages.slice(0, 1), tools }).finalChatCompletion();
  const again = streamed.choices[0].message.tool_calls[0];
  assert.deepEqual([again.function.name, JSON.parse(again.function.arguments)], ["weather", { place: "Ulm" }]);
  const format = { type: "json_schema", json_schema: { name: "numbers", schema: { type: "object" } } };
  const parsed = await api.chat.completions.parse({ model, messages: messages.slice(0, 1), response_format: format });
  assert.deepEqual(JSON.parse(parsed.choices[0].message.content), { numbers: [1, 2] });
  done.push("chat tools");
}

async function embeddings() {
  const known = (await api.models.list()).data;
  const embedder = known[known.length - 1].id;
  const made = await api.embeddings.create({ model: embedder, input: ["market beta", "a bond's duration"] });
  const floats = await api.embeddings.create({ model: embedder, input: "market beta", encoding_format: "float" });
  assert.deepEqual([made.data.length, made.data[0].embedding.length], [2, 384]);
  const first = made.data[0].embedding;
  assert.ok(floats.data[0].embedding.every((number, at) => Math.abs(number - first[at]) < 1e-5));
  done.push("embeddings");
}

async function responses() {
  const whole = await api.responses.create({ model, input: question, instructions: "Be short.", metadata: { a: "b" } });
  assert.deepEqual([whole.status, whole.output_text, whole.metadata], ["completed", "Beta measures moves [1].", { a: "b" }]);
  assert.equal(whole.output[0].content[0].annotations[0].title, "Beta");
  assert.equal(whole.usage.input_tokens, 30);
  assert.equal((await api.responses.retrieve(whole.id)).output_text, whole.output_text);
  const after = await api.responses.create({ model, input: [{ role: "user", content: "And?" }], previous_response_id: whole.id });
  assert.deepEqual([after.output_text, after.previous_response_id], ["As I said.", whole.id]);
  const items = [];
  for await (const item of api.responses.inputItems.list(after.id)) items.push(item);
  assert.equal(items[0].content[0].text, "And?");
  const unstored = await api.responses.create({ model, input: "Hello?", store: false });
  assert.equal(unstored.output_text, "Hello.");
  await refused(404, () => api.responses.retrieve(unstored.id));
  const format = { type: "json_schema", name: "numbers", schema: { type: "object" } };
  const parsed = await api.responses.parse({ model, input: "Numbers?", text: { format } });
  assert.deepEqual(JSON.parse(parsed.output_text), { numbers: [1, 2] });
  await api.responses.delete(parsed.id);
  await refused(404, () => api.responses.retrieve(parsed.id));
  done.push("responses");
}

async function responseTools() {
  const tools = [{ type: "function", name: "weather", parameters: weather, strict: false }];
  const input = [{ role: "user", content: "How warm is it in Ulm?" }];
  const called = await api.responses.create({ model, input, tools });
  const call = called.output[0];
  assert.deepEqual([call.type, call.name, JSON.parse(call.arguments)], ["function_call", "weather", { place: "Ulm" }]);
  const result = { type: "function_call_output", call_id: call.call_id, output: "20 degrees" };
  const whole = await api.responses.create({ model, input: [...input, ...called.output, result], tools });
  assert.equal(whole.output_text, "It is warm.");
  const byId = await api.responses.create({ model, input: [result], tools, previous_response_id: called.id });
  assert.equal(byId.output_text, "It is warm.");
  done.push("response tools");
}

async function streamed() {
  const kinds = [];
  const stream = api.responses.stream({ model, input: question });
  for await (const event of stream) kinds.push(event.type);
  const final = await stream.finalResponse();
  assert.deepEqual(kinds.slice(0, 3), ["response.created", "response.in_progress", "response.output_item.added"]);
  assert.ok(kinds.includes("response.output_text.annotation.added"), kinds.join());
  assert.deepEqual([kinds.at(-1), final.output_text], ["response.completed", "Beta measures moves [1]."]);
  done.push("response stream");
}

async function resumed() {
  const numbers = [];
  let [text, name, cuts] = ["", null, 0];
  let stream = await api.responses.create({ model, input: "Count", stream: true, background: true });
  for (;;) {
    let taken = 0;
    for await (const event of stream) {
      numbers.push(event.sequence_number);
      if (event.type === "response.created") name = event.response.id;
      if (event.type === "response.output_text.delta") text += event.delta;
      taken += 1;
      if (taken === 10) break;
    }
    if (taken < 10) break;
    cuts += 1;
    stream = await [api, there][cuts % 2].responses.retrieve(name, { stream: true, starting_after: numbers.at(-1) });
  }
  assert.deepEqual(numbers, numbers.map((_, at) => at));
  assert.equal(text, Array.from({ length: 60 }, (_, number) => `word${number} `).join(""));
  const kept = await there.responses.retrieve(name);
  assert.deepEqual([kept.status, kept.output_text], ["completed", text]);
  assert.ok(cuts > 2, String(cuts));
  done.push("response resume");
}

async function background() {
  const begun = await api.responses.create({ model, input: "Count", background: true });
  assert.ok(["queued", "in_progress"].includes(begun.status), begun.status);
  for await (const event of await there.responses.retrieve(begun.id, { stream: true })) {
    if (event.type === "response.output_text.delta") break;
  }
  let ended = await there.responses.cancel(begun.id);
  for (let tries = 0; tries < 100 && ended.status !== "cancelled"; tries += 1) ended = await api.responses.retrieve(begun.id);
  assert.equal(ended.status, "cancelled");
  done.push("response cancel");
}

async function refusals() {
  const messages = [{ role: "user", content: "Hello?" }];
  await refused(404, () => api.chat.completions.create({ model: "gpt-99", messages }));
  await assert.rejects(api.chat.completions.create({ model, messages, n: 2 }), (error) => {
    assert.deepEqual([error.status, error.param, error.type], [400, "n", "invalid_request_error"]);
    return true;
  });
  await refused(401, () => client(one, "nobody").models.list());
  await refused(404, () => api.responses.retrieve(`resp_${"0".repeat(32)}`));
  await refused(502, () => api.chat.completions.create({ model, messages }));
  done.push("errors");
}

for (const step of [models, completions, chatTools, embeddings, responses, responseTools, streamed, resumed, background, refusals]) {
  await step();
}
console.log(JSON.stringify({ version, done }));
