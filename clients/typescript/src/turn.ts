import type { Tandem } from "./client.js";
import { TandemError } from "./error.js";
import { eventsOf, type TurnEvent, type TurnEvents } from "./events.js";

/** How a message is sent. */
export interface SendOptions {
  /** The message it follows; null begins the conversation anew. */
  parentId?: string | null;
  /** What the user is looking at. */
  uiContext?: Record<string, unknown>;
  /** Under the same key the same message is sent once, whatever happens; made up if absent. */
  idempotencyKey?: string;
  /** Stops reading. The server goes on: `cancel` ends the answer. */
  signal?: AbortSignal;
}

/** Tries in a row without a new event, before the answer is given up. */
const TRIES = 8;
/** The longest pause between two of them, in milliseconds. */
const PAUSE_MAX = 5000;

type Open = (after: number) => Promise<Response>;

/**
 * An answer on its way: an async iterable of its events, each once and in order.
 * A stream that is cut is gone on with after the last event that came.
 */
export class Turn implements AsyncIterable<TurnEvent> {
  readonly #client: Tandem;
  readonly #begin: Open | undefined;
  readonly #signal: AbortSignal | undefined;
  #messageId: string | undefined;
  #after: number;

  private constructor(client: Tandem, from: { begin?: Open; messageId?: string; after?: number; signal?: AbortSignal }) {
    this.#client = client;
    this.#begin = from.begin;
    this.#messageId = from.messageId;
    this.#after = from.after ?? 0;
    this.#signal = from.signal;
  }

  /** @internal */
  static begun(client: Tandem, conversationId: string, content: string, options: SendOptions): Turn {
    const { parentId, uiContext, signal } = options;
    const key = options.idempotencyKey ?? crypto.randomUUID();
    const path = `/api/v1/chat/conversations/${encodeURIComponent(conversationId)}/send`;
    const body = {
      content,
      ...(parentId === undefined ? {} : { parent_id: parentId }),
      ...(uiContext === undefined ? {} : { ui_context: uiContext }),
    };
    // Sent again, it is the same turn that answers.
    const begin = () =>
      client.open("POST", path, {
        body,
        headers: { Accept: "text/event-stream", "Idempotency-Key": key },
        ...(signal ? { signal } : {}),
      });
    return new Turn(client, { begin, ...(signal ? { signal } : {}) });
  }

  /** @internal */
  static attached(client: Tandem, messageId: string, options: { after?: number; signal?: AbortSignal }): Turn {
    return new Turn(client, { messageId, ...options });
  }

  /** The answer's id, once its first event has come. */
  get messageId(): string | undefined {
    return this.#messageId;
  }

  /** The number of the last event that has come. */
  get after(): number {
    return this.#after;
  }

  /** Ends the answer early; its last event still comes. */
  async cancel(): Promise<void> {
    if (this.#messageId === undefined) throw new Error("the answer has not begun");
    await this.#client.cancel(this.#messageId);
  }

  /** Reads to the end; the whole answer. A failure is a `TandemError`. */
  async done(): Promise<TurnEvents["done"]> {
    for await (const { event, data } of this) {
      if (event === "done") return data;
      if (event === "error") throw new TandemError(0, data.code, { ...data });
    }
    throw new TandemError(0, "no_end", { detail: "the answer had ended before" });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TurnEvent, void, undefined> {
    for (let failures = 0; ; ) {
      const before = this.#after;
      try {
        for await (const event of this.#read()) {
          yield event;
          if (event.event === "done" || event.event === "error") return;
        }
      } catch (error) {
        if (!this.#mayGoOn(error)) throw error;
        if (failures >= TRIES) throw error;
      }
      failures = this.#after > before ? 0 : failures + 1;
      if (failures > TRIES) throw new TandemError(0, "cut", { detail: "the answer was cut again and again" });
      await this.#pause(failures);
    }
  }

  /** One stream, until it is cut or the answer ends. */
  async *#read(): AsyncGenerator<TurnEvent, void, undefined> {
    const response = await this.#open();
    if (!response.body) return;
    for await (const { id, event, data } of eventsOf(response.body)) {
      // What is in no log has no number: the answer goes on, and is asked for again.
      if (id === 0) return;
      if (id <= this.#after) continue;
      const read = JSON.parse(data) as TurnEvent["data"];
      if (event === "message_created") this.#messageId = (read as TurnEvents["message_created"]).assistant_message_id;
      this.#after = id;
      yield { id, event, data: read } as TurnEvent;
    }
  }

  #open(): Promise<Response> {
    if (this.#messageId === undefined && this.#begin) return this.#begin(this.#after);
    const path = `/api/v1/chat/messages/${encodeURIComponent(this.#messageId ?? "")}/stream`;
    const signal = this.#signal ? { signal: this.#signal } : {};
    return this.#client.open("GET", path, { headers: { "Last-Event-ID": String(this.#after) }, ...signal });
  }

  /** Whether it was the way that failed, and not the request. */
  #mayGoOn(error: unknown): boolean {
    if (this.#signal?.aborted) return false;
    if (!(error instanceof TandemError)) return true;
    return error.status >= 500 || error.status === 429 || error.code === "idempotency_in_progress";
  }

  async #pause(failures: number): Promise<void> {
    if (failures === 0) return;
    const pause = Math.min(100 * 2 ** failures, PAUSE_MAX) * (0.5 + Math.random() / 2);
    await new Promise((wake) => setTimeout(wake, pause));
  }
}
