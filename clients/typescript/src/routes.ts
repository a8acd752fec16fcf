import type { paths } from "./schema.js";

/** What every route of the server is called, asked and answered with. */
export type Path = keyof paths & string;

/** The methods of a path, in small letters. */
export type Method<P extends Path> = {
  [M in keyof paths[P]]: M extends "parameters" ? never : paths[P][M] extends { responses: unknown } ? M : never;
}[keyof paths[P]] &
  string;

type Operation<P extends Path, M extends Method<P>> = paths[P][M & keyof paths[P]];

type Parameters<O, In extends string> = O extends { parameters: infer All }
  ? In extends keyof All
    ? Exclude<All[In], undefined>
    : never
  : never;

/** The JSON body of a request. */
export type Body<P extends Path, M extends Method<P>> =
  Operation<P, M> extends { requestBody?: infer R } ? BodyOf<NonNullable<R>> : never;

type BodyOf<R> = [R] extends [never] ? never : R extends { content: { "application/json": infer B } } ? B : never;

/** The JSON answer. */
export type Answer<P extends Path, M extends Method<P>> =
  Operation<P, M> extends { responses: infer R }
    ? { [Status in keyof R]: Status extends 200 | 201 | 202 ? JsonOf<R[Status]> : never }[keyof R]
    : never;

type JsonOf<R> = R extends { content: { "application/json": infer J } } ? J : never;

type Given<Name extends string, T> = [T] extends [never] ? { [N in Name]?: undefined } : Needed<Name, T>;

type Needed<Name extends string, T> = Partial<T> extends T ? { [N in Name]?: T } : { [N in Name]: T };

/** What a request of a route is made of. */
export type Request<P extends Path, M extends Method<P>> = Given<"path", Parameters<Operation<P, M>, "path">> &
  Given<"query", Parameters<Operation<P, M>, "query">> &
  ([Body<P, M>] extends [never] ? { body?: undefined } : { body: Body<P, M> }) & {
    /** Other headers, such as `Idempotency-Key`. */
    headers?: Record<string, string>;
    /** Ends the request early. */
    signal?: AbortSignal;
  };
