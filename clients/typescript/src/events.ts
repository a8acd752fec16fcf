/** What the events of an answer carry, by name. */
export interface TurnEvents {
  message_created: { user_message_id: string; assistant_message_id: string; conversation_id: string };
  start: { mode: "model" | "extractive"; model: string };
  context: {
    documents: Record<string, unknown>[];
    memories: Record<string, unknown>[];
    portfolios?: Record<string, unknown>[];
  };
  token: { delta: string };
  tool_call: { id: string; name: string; arguments: unknown };
  tool_result: { id: string; name: string; ok: boolean; duration_ms: number; truncated: boolean };
  citation: PassageCited | FiguresCited;
  info: { code: string; [more: string]: unknown };
  error: { code: string; detail?: string; retryable?: boolean };
  done: { content: string; usage: Record<string, number> | null; latency_ms: number | null; cancelled?: boolean };
}

interface Cited {
  /** The number in the marker. */
  index: number;
  title: string;
  /** Where the marker stands, in Unicode code points. */
  start: number;
  end: number;
  quote: string;
  deleted: boolean;
}

/** A marker that points to a passage of a source. */
export interface PassageCited extends Cited {
  kind: "passage";
  document_id: string;
  source_id: string;
  page?: number;
}

/** A marker that points to figures: a portfolio's, or prices, which have no portfolio. Without a tool the prompt told them. */
export interface FiguresCited extends Cited {
  kind: "figures";
  document_id: null;
  source_id: null;
  portfolio_id?: string;
  tool?: string;
  tool_call_id?: string;
  as_of?: string;
}

/** One event of an answer. Its number is what one goes on after. */
export type TurnEvent = {
  [Name in keyof TurnEvents]: { id: number; event: Name; data: TurnEvents[Name] };
}[keyof TurnEvents];

/** A server-sent event as it comes; one without a number has 0. */
export interface RawEvent {
  id: number;
  event: string;
  data: string;
}

/** Reads server-sent events; comments are passed over, an event that was cut off is none. */
export async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<RawEvent, void, undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let held = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      held += decoder.decode(value, { stream: true });
      const blocks = held.split(/\r?\n\r?\n/);
      held = blocks.pop() ?? "";
      for (const block of blocks) {
        const event = eventOf(block);
        if (event) yield event;
      }
    }
  } finally {
    // Who stops reading stops the stream.
    await reader.cancel().catch(() => undefined);
  }
}

function eventOf(block: string): RawEvent | undefined {
  let event = "message";
  let id = 0;
  const data: string[] = [];
  for (const line of block.split(/\r?\n/)) {
    const at = line.indexOf(":");
    if (at === 0 || line === "") continue;
    const field = at < 0 ? line : line.slice(0, at);
    const value = at < 0 ? "" : line.slice(at + 1).replace(/^ /, "");
    if (field === "event") event = value;
    else if (field === "data") data.push(value);
    else if (field === "id") id = Number(value);
  }
  return data.length === 0 ? undefined : { id, event, data: data.join("\n") };
}
