// Node's client of the Storage API: a table and a result, read by streams. usage: node tour_node_storage.mjs CALLER
// Led by the environment over TLS, and by the universe domain of its file. NODE_FOLDER is where the clients are installed. ASKED and WAY as in steps.py.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { asked as written, run } from "./steps.mjs";

const installed = createRequire(join(process.env.NODE_FOLDER, "package.json"));
const { BigQuery } = installed("@google-cloud/bigquery");
const { BigQueryReadClient } = installed("@google-cloud/bigquery-storage");
const { tableFromIPC } = installed("apache-arrow");
const [caller] = process.argv.slice(2);
const parent = "projects/acme-prod";
// It compares its universe domain with that of the file, and takes it from code or from a variable that the other client does not read.
const { universe_domain: universeDomain } = JSON.parse(readFileSync(process.env.GOOGLE_APPLICATION_CREDENTIALS, "utf8"));
const reader = new BigQueryReadClient({ projectId: "acme-prod", universeDomain });

const asked = (what) => written(caller, what);

/** Each stream's messages, in their order. */
async function messages(stream) {
  const found = [];
  for await (const message of reader.readRows({ readStream: stream.name, offset: 0 })) found.push(message);
  return found;
}

async function rows(readSession) {
  const [session] = await reader.createReadSession({ parent, readSession: { dataFormat: "ARROW", ...readSession }, maxStreamCount: 3 });
  const batches = (await Promise.all(session.streams.map(messages))).flat();
  const parts = [session.arrowSchema.serializedSchema, ...batches.map((message) => message.arrowRecordBatch.serializedRecordBatch)];
  return tableFromIPC(Buffer.concat(parts)).toArray().map((row) => row.toJSON());
}

const steps = {
  async "a table comes by streams, with masks"() {
    const readOptions = { selectedFields: ["id", "ssn", "address"], rowRestriction: "id <= 30" };
    const found = await rows({ table: `${parent}/datasets/clinic/tables/patients`, readOptions });
    assert.deepEqual(found.map((row) => Number(row.id)).sort((one, other) => one - other), Array.from({ length: 30 }, (_, id) => id + 1));
    for (const row of found) {
      assert.match(row.ssn, /^XXXXX.{4}$/);
      assert.equal(row.address.street, "");
    }
  },
  async "a result comes by streams"() {
    const query = "SELECT x AS id, MOD(x, 7) AS m FROM UNNEST(GENERATE_ARRAY(1, 15000)) AS x";
    asked({ statement: query });
    const [job] = await new BigQuery({ projectId: "acme-prod", location: "US" }).createQueryJob({ query });
    await job.promise();
    const [{ configuration }] = await job.getMetadata();
    const { projectId, datasetId, tableId } = configuration.query.destinationTable;
    const found = await rows({ table: `projects/${projectId}/datasets/${datasetId}/tables/${tableId}` });
    assert.equal(found.length, 15_000);
    assert(found.every((row) => row.m === row.id % 7n));
  },
  async "a refusal is shown"() {
    const readOptions = { rowRestriction: "ssn > '5'" };
    await assert.rejects(rows({ table: `${parent}/datasets/clinic/tables/patients`, readOptions }), (error) => error.code === 7 && /ssn/.test(error.message));
  },
};

await run("node storage", "tls", steps);
