import { refusal } from "./error.js";
import { Portfolio } from "./portfolio.js";
import type { Answer, Method, Path, Request as RouteRequest } from "./routes.js";
import { type SendOptions, Turn } from "./turn.js";

/** How the server is reached. */
export interface Options {
  /** Where it is, such as `http://127.0.0.1:8080`. */
  baseUrl: string;
  /** An API key or an access token, or what gets a fresh one. */
  token: string | (() => string | Promise<string>);
  /** Instead of the global `fetch`. */
  fetch?: typeof fetch;
}

/** What a request without types is made of. */
export interface Plain {
  query?: Record<string, unknown>;
  body?: unknown;
  /** A CSV file in the place of a JSON body. */
  csv?: string | Blob;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** A client of one server, for one user. */
export class Tandem {
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = { ...options, baseUrl: options.baseUrl.replace(/\/+$/, "") };
  }

  /** Asks a route, by its path in the OpenAPI document; its JSON answer. A refusal is a `TandemError`. */
  async request<P extends Path, M extends Method<P>>(
    method: M,
    path: P,
    ...[request]: {} extends RouteRequest<P, M> ? [request?: RouteRequest<P, M>] : [request: RouteRequest<P, M>]
  ): Promise<Answer<P, M>> {
    const plain: Plain & { path?: Record<string, unknown> } = { ...(request as object | undefined) };
    const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(plain.path?.[name])));
    const response = await this.open(method.toUpperCase(), filled, plain);
    const text = await response.text();
    return (text === "" ? undefined : JSON.parse(text)) as Answer<P, M>;
  }

  /**
   * Sends a message; its answer is read with `for await`. The answer goes on
   * where it was cut, by itself, and is finished by the server even if nobody reads.
   */
  send(conversationId: string, content: string, options: SendOptions = {}): Turn {
    return Turn.begun(this, conversationId, content, options);
  }

  /** Follows an answer from its beginning, or from the event after the one with this number. */
  follow(messageId: string, options: { after?: number; signal?: AbortSignal } = {}): Turn {
    return Turn.attached(this, messageId, options);
  }

  /** Ends an answer early; what it has said so far stays. */
  async cancel(messageId: string): Promise<Answer<"/api/v1/chat/messages/{id}/cancel", "post">> {
    return this.request("post", "/api/v1/chat/messages/{id}/cancel", { path: { id: messageId } });
  }

  /** A portfolio, by its id. */
  portfolio(id: string): Portfolio {
    return new Portfolio(this, id);
  }

  /** Any request; the response, if it is a good one. */
  async open(method: string, path: string, { query, body, csv, headers, signal }: Plain = {}): Promise<Response> {
    const { baseUrl, token, fetch: own } = this.#options;
    const asked = new URLSearchParams();
    for (const [name, value] of Object.entries(query ?? {})) {
      if (value === undefined || value === null) continue;
      for (const one of Array.isArray(value) ? value : [value]) asked.append(name, String(one));
    }
    const bearer = typeof token === "string" ? token : await token();
    const response = await (own ?? fetch)(`${baseUrl}${path}${asked.size > 0 ? `?${asked}` : ""}`, {
      method,
      headers: {
        Authorization: `Bearer ${bearer}`,
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...(csv === undefined ? {} : { "Content-Type": "text/csv" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(csv === undefined ? {} : { body: csv }),
      ...(signal ? { signal } : {}),
    });
    if (!response.ok) throw await refusal(response);
    return response;
  }
}
