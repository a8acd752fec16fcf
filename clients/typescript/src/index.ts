/**
 * A client of Tandem without runtime dependencies: `fetch`, and the types that
 * the server's own OpenAPI document makes.
 */
export { Tandem, type Options } from "./client.js";
export { TandemError, type Problem } from "./error.js";
export type { FiguresCited, PassageCited, TurnEvent, TurnEvents } from "./events.js";
export { Portfolio, type ImportOptions } from "./portfolio.js";
export type { Answer, Body, Method, Path, Request } from "./routes.js";
export { Turn, type SendOptions } from "./turn.js";
export type { components, operations, paths } from "./schema.js";
