// Executes SQL with @libsql/client: a JSON object with url, token and statements on standard input, and the rows of each
// statement as JSON on standard output. A value is a pair of its type and its text, because JSON has neither 64-bit
// integers nor -0.0; an error is an object with its message, in place of the rows.
import { createClient } from "@libsql/client";
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";

function typed(value) {
  if (value === null) return ["null", ""];
  if (typeof value === "bigint") return ["integer", String(value)];
  if (typeof value === "number") return ["real", Object.is(value, -0) ? "-0.0" : String(value)];
  if (typeof value === "string") return ["text", value];
  return ["blob", Buffer.from(value).toString("hex")];
}

const { url, token, statements } = JSON.parse(readFileSync(0, "utf-8"));
const client = createClient({ url, authToken: token, intMode: "bigint" });
const answers = [];
for (const sql of statements) {
  try {
    const { rows } = await client.execute(sql);
    answers.push(rows.map((row) => Array.from(row, typed)));
  } catch (error) {
    answers.push({ error: error.message });
    break;
  }
}
client.close();
process.stdout.write(JSON.stringify(answers));
