// The Node client. usage: node tour_node.mjs PLACE CALLER [MORE]
//   warehouse  URL and BEARER_TOKEN follow: the client has no credentials file for it
//   gateway    led by the environment alone; a file that the gateway issued follows, and the gateway's URL for it
//   emulator   led by the environment alone
//   domain     led by the environment alone, over TLS
// NODE_FOLDER is where the client is installed. OUTCOMES, ASKED and WAY as in steps.py.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asked as written, run } from "./steps.mjs";

const installed = createRequire(join(process.env.NODE_FOLDER, "package.json"));
const { BigQuery } = installed("@google-cloud/bigquery");
const [place, caller, ...more] = process.argv.slice(2);
const known = { projectId: "acme-prod", location: "US" };
const client = place === "warehouse" ? atWarehouse(...more) : new BigQuery(known);

function atWarehouse(apiEndpoint, token) {
  const { OAuth2Client } = installed("google-auth-library");
  const authClient = new OAuth2Client();
  authClient.setCredentials({ access_token: token, expiry_date: Date.now() + 3_600_000 });
  return new BigQuery({ ...known, apiEndpoint, authClient });
}

const asked = (what) => written(caller, what);

async function answered(given, parameters = []) {
  asked({ statement: given.query ?? given, parameters });
  return (await client.query(given))[0];
}

async function rejected(statement, expected, ends = "refused") {
  asked({ statement, ends });
  await assert.rejects(client.query(statement), expected);
}

const steps = {
  async "a query is answered"() {
    assert.deepEqual(await answered("SELECT COUNT(*) AS n FROM clinic.patients"), [{ n: 40 }]);
  },
  async "a job is made, waited for and read"() {
    const query = "SELECT id, ward FROM clinic.patients ORDER BY id LIMIT 2";
    asked({ statement: query });
    const [job] = await client.createQueryJob({ query, labels: { a: "b" } });
    const [rows] = await job.getQueryResults();
    assert.deepEqual(rows, [{ id: 1, ward: "D" }, { id: 2, ward: "C" }]);
    const [metadata] = await job.getMetadata();
    assert.equal(metadata.status.state, "DONE");
    assert.equal(metadata.statistics.query.statementType, "SELECT");
  },
  async "parameters are taken"() {
    const given = { query: "SELECT @a AS a, @b AS b", params: { a: 7, b: ["x", "y"] } };
    assert.deepEqual(await answered(given, [["a", "7"], ["b", ["x", "y"]]]), [{ a: 7, b: ["x", "y"] }]);
  },
  async "results are paged"() {
    const rows = await answered({ query: "SELECT x FROM UNNEST(GENERATE_ARRAY(1, 3000)) AS x", maxResults: 1000 });
    assert.equal(rows.length, 3000);
  },
  async "results and tables are read as streams"() {
    const query = "SELECT x FROM UNNEST(GENERATE_ARRAY(1, 3000)) AS x";
    asked({ statement: query });
    let sum = 0;
    for await (const row of client.createQueryStream({ query })) sum += row.x;
    assert.equal(sum, 4_501_500);
    const ids = [];
    for await (const row of client.dataset("clinic").table("patients").createReadStream({ maxResults: 15 })) ids.push(row.id);
    assert.equal(new Set(ids).size, 15);
  },
  async "a table is made, filled and changed"() {
    const statement = "DROP TABLE IF EXISTS staging.node";
    await answered(statement);
    const [table] = await client.dataset("staging").createTable("node", { schema: "id:integer,v:string,moment:timestamp" });
    asked({ method: "bigquery.tabledata.insertAll", target: "staging.node" });
    await table.insert([{ id: 1, v: "x", moment: "2026-01-02T03:04:05Z" }, { id: 2, v: "y" }]);
    await answered("UPDATE staging.node SET v = 'z' WHERE id = 2");
    const rows = await answered("SELECT id, v, moment FROM staging.node ORDER BY id");
    assert.deepEqual(rows.map((row) => [row.id, row.v]), [[1, "x"], [2, "z"]]);
    assert.equal(rows[0].moment.value, "2026-01-02T03:04:05.000Z");
  },
  async "a file is loaded"() {
    const table = client.dataset("staging").table("node_file");
    const folder = await mkdtemp(join(tmpdir(), "tour-"));
    try {
      const path = join(folder, "rows.csv");
      await writeFile(path, `id,v\n${Array.from({ length: 50_000 }, (_, id) => `${id},"v ${id}"\n`).join("")}`);
      asked({ loads: "staging.node_file" });
      const [job] = await table.load(path, { schema: "id:integer,v:string", skipLeadingRows: 1, writeDisposition: "WRITE_TRUNCATE" });
      assert.equal(job.statistics.load.outputRows, "50000");
    } finally {
      await rm(folder, { recursive: true });
    }
    assert.deepEqual(await answered("SELECT COUNT(*) AS n FROM staging.node_file WHERE v = 'v 7'"), [{ n: 1 }]);
  },
  async "a table is copied"() {
    const table = (name) => client.dataset("staging").table(name);
    asked({ copies: "staging.node_copy" });
    await table("node").copy(table("node_copy"), { writeDisposition: "WRITE_TRUNCATE" });
    assert.deepEqual(await answered("SELECT COUNT(*) AS n FROM staging.node_copy"), [{ n: 2 }]);
  },
  async "a dry run tells the bytes"() {
    const query = "SELECT id FROM clinic.patients";
    asked({ statement: query, dry: true });
    const [job] = await client.createQueryJob({ query, dryRun: true });
    assert.equal(job.metadata.statistics.totalBytesProcessed, "320");
  },
  async "mistakes are shown"() {
    await rejected("SELECT nope FROM clinic.patients", /nope/, "meaningless");
    await rejected("SELECT * FROM clinic.none", (error) => error.code === 404, "meaningless");
    await assert.rejects(client.dataset("clinic").table("none").getMetadata(), (error) => error.code === 404);
  },
};

if (place !== "warehouse") {
  steps["refusals are shown"] = async () => {
    await rejected("CREATE TABLE clinic.x AS SELECT 1 AS a", (error) => error.code === 403 && /no rule permits it/.test(error.message));
  };
}

if (place === "warehouse") {
  steps["files of more kinds are loaded"] = async () => {
    const [dataset] = await client.createDataset("tour_node_files");
    const folder = await mkdtemp(join(tmpdir(), "tour-"));
    try {
      const path = join(folder, "rows.csv");
      await writeFile(path, "id,v\n1,a\n");
      const table = dataset.table("t");
      await table.load(path, { schema: "id:integer,v:string", skipLeadingRows: 1 });
      await writeFile(join(folder, "rows.json"), '{"id": 1, "v": "j"}\n');
      await table.load(join(folder, "rows.json"), { writeDisposition: "WRITE_APPEND" });
      const [metadata] = await table.getMetadata();
      assert.equal(metadata.numRows, "2");
      await assert.rejects(table.load(path, { sourceFormat: "PARQUET" }), /load jobs of `PARQUET`/);
      await assert.rejects(table.load(path), /CSV table encountered too many errors/);
      const [rows] = await table.getRows();
      assert.equal(rows.length, 2);
      await dataset.delete({ force: true });
    } finally {
      await rm(folder, { recursive: true });
    }
    await assert.rejects(client.dataset("none").get(), (error) => error.code === 404);
  };
}

if (place === "gateway") {
  steps["labelled columns are masked"] = async () => {
    const rows = await answered("SELECT id, ssn, address FROM clinic.patients ORDER BY id LIMIT 2");
    assert.equal(rows.length, 2);
    for (const row of rows) {
      assert.match(row.ssn, /^XXXXX.{4}$/);
      assert.equal(row.address.street, "");
    }
  };
  steps["a file that the gateway issued is taken"] = async () => {
    const [keyFilename, apiEndpoint] = more;
    const issued = new BigQuery({ ...known, apiEndpoint, keyFilename, universeDomain: "sluice.test" });
    const query = "SELECT COUNT(*) AS issued FROM clinic.patients";
    const [rows] = await takenUp(() => issued.query(query));
    asked({ caller: keyFilename, statement: query });
    assert.deepEqual(rows, [{ issued: 40 }]);
    asked({ caller: keyFilename, statement: "SELECT ANY_VALUE(ssn) AS m FROM clinic.patients" });
    const [masked] = await issued.query("SELECT ANY_VALUE(ssn) AS m FROM clinic.patients");
    assert.match(masked[0].m, /^XXXXX.{4}$/);
  };
}

/** A running gateway looks again every second. */
async function takenUp(ask) {
  const deadline = Date.now() + 60_000;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (error.code !== 401 || Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

await run("node", place, steps);
