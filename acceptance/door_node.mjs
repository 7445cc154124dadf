// Through the gateway with the Node client. usage: GOOGLE_APPLICATION_CREDENTIALS=FILE node door_node.mjs URL ISSUED_FILE
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const { BigQuery } = createRequire(import.meta.url)("@google-cloud/bigquery");
const client = new BigQuery({ apiEndpoint: process.argv[2], projectId: "acme-prod", location: "US" });

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

const steps = {
  async "a query is answered"() {
    const [rows] = await client.query("SELECT COUNT(*) AS n FROM clinic.patients");
    assert.deepEqual(rows, [{ n: 40 }]);
  },
  async "a job is made, waited for and read"() {
    const [job] = await client.createQueryJob({ query: "SELECT id, ward FROM clinic.patients ORDER BY id LIMIT 2", labels: { a: "b" } });
    const [rows] = await job.getQueryResults();
    assert.deepEqual(rows, [{ id: 1, ward: "D" }, { id: 2, ward: "C" }]);
    const [metadata] = await job.getMetadata();
    assert.equal(metadata.status.state, "DONE");
    assert.equal(metadata.statistics.query.statementType, "SELECT");
  },
  async "parameters are taken"() {
    const [rows] = await client.query({ query: "SELECT @a AS a, @b AS b", params: { a: 7, b: ["x", "y"] } });
    assert.deepEqual(rows, [{ a: 7, b: ["x", "y"] }]);
  },
  async "results are paged"() {
    const [rows] = await client.query({ query: "SELECT x FROM UNNEST(GENERATE_ARRAY(1, 3000)) AS x", maxResults: 1000 });
    assert.equal(rows.length, 3000);
  },
  async "tables are made, filled, loaded and read"() {
    const dataset = client.dataset("staging");
    await client.query("DROP TABLE IF EXISTS staging.node");
    const [table] = await dataset.createTable("node", { schema: "id:integer,v:string" });
    await table.insert([{ id: 1, v: "x" }, { id: 2, v: "y" }]);
    await client.query("UPDATE staging.node SET v = 'z' WHERE id = 2");
    const folder = await mkdtemp(join(tmpdir(), "door-"));
    try {
      const path = join(folder, "rows.csv");
      await writeFile(path, `id,v\n${Array.from({ length: 50_000 }, (_, id) => `${id},"v ${id}"\n`).join("")}`);
      const [job] = await table.load(path, { schema: "id:integer,v:string", skipLeadingRows: 1 });
      assert.equal(job.statistics.load.outputRows, "50000");
    } finally {
      await rm(folder, { recursive: true });
    }
    const [rows] = await client.query("SELECT v FROM staging.node WHERE v IN ('x', 'z') ORDER BY v");
    assert.deepEqual(rows, [{ v: "x" }, { v: "z" }]);
  },
  async "a dry run tells the bytes"() {
    const [job] = await client.createQueryJob({ query: "SELECT id FROM clinic.patients", dryRun: true });
    assert.equal(job.metadata.statistics.totalBytesProcessed, "320");
  },
  async "labelled columns are masked"() {
    const [rows] = await client.query("SELECT id, ssn, address FROM clinic.patients ORDER BY id LIMIT 2");
    for (const row of rows) {
      assert.match(row.ssn, /^XXXXX.{4}$/);
      assert.equal(row.address.street, "");
    }
    assert.equal(rows.length, 2);
  },
  async "mistakes and refusals are shown"() {
    await assert.rejects(client.query("SELECT nope FROM clinic.patients"), /Unrecognized name: nope/);
    await assert.rejects(client.query("SELECT * FROM clinic.none"), (error) => error.code === 404);
    await assert.rejects(client.query("SELECT id FROM clinic.patients WHERE ssn LIKE '9%'"), /Access Denied.*ssn/);
    await assert.rejects(client.query("CREATE TABLE clinic.x AS SELECT 1 AS a"), (error) => error.code === 403 && /no rule permits it/.test(error.message));
  },
  async "a file that the gateway issued is taken"() {
    const keyFilename = process.argv[3];
    const issued = new BigQuery({ apiEndpoint: process.argv[2], projectId: "acme-prod", location: "US", keyFilename, universeDomain: "sluice.test" });
    const [rows] = await takenUp(() => issued.query("SELECT COUNT(*) AS n FROM clinic.patients"));
    assert.deepEqual(rows, [{ n: 40 }]);
    const [masked] = await issued.query("SELECT MAX(ssn) AS m FROM clinic.patients");
    assert.match(masked[0].m, /^XXXXX.{4}$/);
  },
};

let number = 0;
for (const [name, step] of Object.entries(steps)) {
  await step();
  number += 1;
  console.log(`door, node ${String(number).padStart(2)}  ${name}`);
}
