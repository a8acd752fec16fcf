import type { Tandem } from "./client.js";
import type { Answer, Request } from "./routes.js";

type Import = "/api/v1/portfolios/{id}/import";
type Complete = "/api/v1/data/portfolio/{id}/complete";
type Overview = "/api/v1/analytics/portfolio/{id}/overview";
type Query<R extends { query?: unknown }> = NonNullable<R["query"]>;

/** How a file is read. */
export interface ImportOptions extends Omit<Query<Request<Import, "post">>, "mapping"> {
  /** Columns of the file, and the fields that they are. */
  mapping?: Record<string, string>;
}

/** A portfolio of the user's. */
export class Portfolio {
  readonly #client: Tandem;
  /** Its key. */
  readonly id: string;

  /** @internal */
  constructor(client: Tandem, id: string) {
    this.#client = client;
    this.id = id;
  }

  /**
   * Imports a CSV file: the form with twelve columns, or a broker's export. What became of each row; with
   * `preview` nothing is stored. The same file again changes nothing.
   */
  async importCsv(csv: string | Blob, { mapping, ...query }: ImportOptions = {}): Promise<Answer<Import, "post">> {
    const path = `/api/v1/portfolios/${encodeURIComponent(this.id)}/import`;
    const asked = { ...query, ...(mapping ? { mapping: JSON.stringify(mapping) } : {}) };
    const response = await this.#client.open("POST", path, { query: asked, csv });
    return (await response.json()) as Answer<Import, "post">;
  }

  /** Sums, positions, and how they came about; history and contributions if they are asked for. */
  async complete(query: Query<Request<Complete, "get">> = {}): Promise<Answer<Complete, "get">> {
    return this.#client.request("get", "/api/v1/data/portfolio/{id}/complete", { path: { id: this.id }, query });
  }

  /** Equity, exposures, P&L and returns. */
  async overview(query: Query<Request<Overview, "get">> = {}): Promise<Answer<Overview, "get">> {
    return this.#client.request("get", "/api/v1/analytics/portfolio/{id}/overview", { path: { id: this.id }, query });
  }
}
