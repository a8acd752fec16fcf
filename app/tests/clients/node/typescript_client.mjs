// Our TypeScript client against the program, through a proxy that cuts its streams.
//
// Arguments: the address of two replicas, and an API key. Prints one line of JSON.
import assert from "node:assert/strict";
import http from "node:http";
import { pathToFileURL } from "node:url";

const { Tandem, TandemError } = await import(pathToFileURL(process.env.TANDEM_CLIENT).href);
const [one, other, key] = process.argv.slice(2);

// Every stream ends after some bytes of its own accord, the replicas take turns.
let [cuts, left, sent] = [0, 0, 0];
const proxy = http.createServer((asked, answer) => {
  const { pathname, search } = new URL(asked.url, one);
  const target = new URL(pathname + search, sent++ % 2 === 0 ? one : other);
  const onward = http.request(target, { method: asked.method, headers: { ...asked.headers, host: target.host } }, (given) => {
    answer.writeHead(given.statusCode, given.headers);
    const isStream = given.headers["content-type"] === "text/event-stream";
    let bytes = 0;
    given.on("data", (piece) => {
      bytes += piece.length;
      if (isStream && left > 0 && bytes > 700) {
        left -= 1;
        cuts += 1;
        // In the middle of an event, and of a letter.
        answer.write(piece.subarray(0, Math.floor(piece.length / 2)), () => answer.destroy());
        onward.destroy();
        return;
      }
      answer.write(piece);
    });
    given.on("end", () => answer.end());
    given.on("error", () => answer.destroy());
  });
  onward.on("error", () => answer.destroy());
  asked.pipe(onward);
});
await new Promise((ready) => proxy.listen(0, "127.0.0.1", ready));
const tandem = new Tandem({ baseUrl: `http://127.0.0.1:${proxy.address().port}/`, token: async () => key });

const { id } = await tandem.request("post", "/api/v1/chat/conversations", { body: { title: "Cut" } });
const names = [];
let cited = null;
for await (const { event, data } of tandem.send(id, "What does market beta measure?")) {
  names.push(event);
  if (event === "citation") cited = data;
}
assert.deepEqual([names[0], names.at(-1), cited.title], ["message_created", "done", "Beta"]);

left = 5;
const turn = tandem.send(id, "Count");
const ids = [];
let joined = "";
let whole = "";
for await (const { id: number, event, data } of turn) {
  ids.push(number);
  if (event === "token") joined += data.delta;
  if (event === "done") whole = data.content;
}
assert.deepEqual(ids, ids.map((_, at) => at + 1));
assert.equal(joined, whole);
const again = await tandem.follow(turn.messageId).done();
assert.equal(again.content, joined);

// Cut before anything was read: the same message is sent once.
let isCut = false;
const early = new Tandem({
  baseUrl: one,
  token: key,
  fetch: async (...asked) => {
    const answer = await fetch(...asked);
    if (isCut) return answer;
    isCut = true;
    await answer.body.cancel();
    throw new TypeError("cut");
  },
});
assert.equal((await early.send(id, "Count again").done()).content, joined);

const slow = tandem.send(id, "Count slowly");
let last = null;
for await (const event of slow) {
  if (event.event === "token" && last.event !== "token") await slow.cancel();
  last = event;
}
assert.deepEqual([last.event, last.data.cancelled], ["done", true]);

await assert.rejects(tandem.send(id, "Fail").done(), (error) => error instanceof TandemError && error.code.startsWith("provider"));
await assert.rejects(tandem.request("get", "/api/v1/chat/conversations/{id}", { path: { id: turn.messageId } }), (error) => {
  assert.deepEqual([error.status, error.code], [404, "not_found"]);
  return true;
});
const listed = await tandem.request("get", "/api/v1/chat/conversations/{id}/messages", { path: { id }, query: { limit: 50 } });
assert.equal(listed.items[3].content, joined);
proxy.close();
console.log(JSON.stringify({ conversation: id, joined, cuts }));
