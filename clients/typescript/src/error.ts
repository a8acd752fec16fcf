/** What a refusal says: RFC 9457 problem details. */
export interface Problem {
  type?: string;
  title?: string;
  status?: number;
  detail?: string;
  code?: string;
  errors?: { field: string; message: string }[];
  id?: string;
  request_id?: string;
  [more: string]: unknown;
}

/** A refusal, or a failure of an answer. */
export class TandemError extends Error {
  constructor(
    /** The HTTP status; 0 when it came inside a stream. */
    readonly status: number,
    /** A short name of what is wrong, for programs. */
    readonly code: string,
    readonly problem: Problem,
    /** Seconds after which it may be tried again. */
    readonly retryAfter?: number,
  ) {
    super(problem.detail ?? problem.title ?? code);
    this.name = "TandemError";
  }
}

/** Reads the refusal out of a response. */
export async function refusal(response: Response): Promise<TandemError> {
  const text = await response.text();
  let problem: Problem = { detail: text.slice(0, 500) };
  try {
    const read: unknown = JSON.parse(text);
    if (typeof read === "object" && read !== null) problem = read as Problem;
  } catch {
    // Some proxy's page.
  }
  const after = Number(response.headers.get("retry-after") ?? Number.NaN);
  const code = problem.code ?? `http_${response.status}`;
  return new TandemError(response.status, code, problem, Number.isFinite(after) ? after : undefined);
}
