// The same warehouse through the Node client. usage: node tour_node.mjs URL BEARER_TOKEN
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OAuth2Client } from "google-auth-library";

const { BigQuery } = createRequire(import.meta.url)("@google-cloud/bigquery");
const [url, token] = process.argv.slice(2);
const authClient = new OAuth2Client();
authClient.setCredentials({ access_token: token, expiry_date: Date.now() + 3_600_000 });
const client = new BigQuery({ apiEndpoint: url, projectId: "acme-prod", authClient, location: "US" });

const steps = {
  async "a query is answered"() {
    const [rows] = await client.query("SELECT COUNT(*) AS n FROM clinic.patients");
    assert.deepEqual(rows, [{ n: 40 }]);
  },
  async "a job is made, waited for and read"() {
    const [job] = await client.createQueryJob({ query: "SELECT id, address FROM clinic.patients ORDER BY id LIMIT 2", labels: { a: "b" } });
    const [rows] = await job.getQueryResults();
    assert.equal(rows.length, 2);
    assert.ok(rows[0].address.city);
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
  async "tables are made, filled, changed and read"() {
    const [dataset] = await client.createDataset("tour_node");
    const [table] = await dataset.createTable("t", { schema: "id:integer,v:string,at:timestamp" });
    await table.insert([{ id: 1, v: "x", at: "2026-01-02T03:04:05Z" }, { id: 2, v: "y" }]);
    await client.query("UPDATE tour_node.t SET v = 'z' WHERE id = 2");
    const [rows] = await table.getRows();
    assert.deepEqual(rows.map((row) => [row.id, row.v]), [[1, "x"], [2, "z"]]);
    assert.equal(rows[0].at.value, "2026-01-02T03:04:05.000Z");
    const [metadata] = await table.getMetadata();
    assert.equal(metadata.numRows, "2");
    await dataset.delete({ force: true });
  },
  async "files are loaded and tables copied"() {
    const [dataset] = await client.createDataset("tour_node_files");
    const folder = await mkdtemp(join(tmpdir(), "tour-"));
    try {
      const path = join(folder, "rows.csv");
      await writeFile(path, `id,v\n${Array.from({ length: 50_000 }, (_, id) => `${id},"v ${id}"\n`).join("")}`);
      const table = dataset.table("t");
      const [job] = await table.load(path, { schema: "id:integer,v:string", skipLeadingRows: 1 });
      assert.equal(job.status.state, "DONE");
      assert.equal(job.statistics.load.outputRows, "50000");
      await writeFile(join(folder, "rows.json"), '{"id": 1, "v": "j"}\n');
      await table.load(join(folder, "rows.json"), { writeDisposition: "WRITE_APPEND" });
      const [metadata] = await table.getMetadata();
      assert.equal(metadata.numRows, "50001");
      await assert.rejects(table.load(path, { sourceFormat: "PARQUET" }), /load jobs of `PARQUET`/);
      await assert.rejects(table.load(path), /CSV table encountered too many errors/);
      const [copied] = await table.copy(dataset.table("u"));
      assert.equal(copied.statistics.copy.copiedRows, "50001");
      await dataset.delete({ force: true });
    } finally {
      await rm(folder, { recursive: true });
    }
  },
  async "a dry run tells the bytes"() {
    const [job] = await client.createQueryJob({ query: "SELECT id FROM clinic.patients", dryRun: true });
    assert.equal(job.metadata.statistics.totalBytesProcessed, "320");
  },
  async "errors are shown"() {
    await assert.rejects(client.query("SELECT nope FROM clinic.patients"), /Unrecognized name: nope/);
    await assert.rejects(client.query("SELECT * FROM clinic.none"), (error) => error.code === 404);
    await assert.rejects(client.dataset("none").get(), (error) => error.code === 404);
  },
};

let number = 0;
for (const [name, run] of Object.entries(steps)) {
  await run();
  number += 1;
  console.log(`node ${number}/${Object.keys(steps).length}  ${name}`);
}
