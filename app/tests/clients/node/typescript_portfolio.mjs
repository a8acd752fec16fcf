// Our TypeScript client and a portfolio: a file in, figures out.
//
// Arguments: the address of the program, an API key, a CSV file. Prints one line of JSON.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const { Tandem, TandemError } = await import(pathToFileURL(process.env.TANDEM_CLIENT).href);
const [base, key, file] = process.argv.slice(2);
const tandem = new Tandem({ baseUrl: base, token: key });

const { id } = await tandem.request("post", "/api/v1/portfolios", { body: { name: "Savings" } });
const portfolio = tandem.portfolio(id);
const csv = await readFile(file, "utf8");

const preview = await portfolio.importCsv(csv, { preview: true });
assert.equal((await portfolio.complete()).positions_summary.total, 0);
const report = await portfolio.importCsv(new Blob([csv]));
assert.deepEqual([preview.created, preview.errors], [report.created, report.errors]);
assert.ok(report.created > 0);
const again = await portfolio.importCsv(csv);
assert.deepEqual([again.created, again.unchanged], [0, report.created]);

// Columns of other names, by a mapping.
const other = "Ticker,Shares,Paid,On\nAAPL,3,101.5,2024-03-04\n";
const mapping = { Ticker: "symbol", Shares: "quantity", Paid: "entry_price", On: "entry_date" };
assert.equal((await portfolio.importCsv(other, { mapping })).created, 1);

const complete = await portfolio.complete({ include_attrib: true });
const overview = await portfolio.overview();
assert.equal(overview.data.equity, complete.portfolio.total_value);
assert.equal(complete.holdings.length, complete.positions_summary.total);
assert.equal(complete.attribution.length, complete.holdings.length);
await assert.rejects(portfolio.importCsv("symbol,quantity\nAAPL,many\n"), (error) => error instanceof TandemError && error.status === 422);
await assert.rejects(tandem.portfolio(crypto.randomUUID()).overview(), (error) => error.code === "not_found");

console.log(JSON.stringify({ portfolio: id, positions: complete.positions_summary.total, equity: overview.data.equity }));
