"""The gateway in front of bqemulator, a second opinion: nobody here wrote that warehouse.
usage: door_emulator.py DEMO_FOLDER UPSTREAM_URL COMMAND

  seed             the tables that all clients ask for, and nothing in `staging`
  python directly  the steps of Google's client for Python at the emulator itself
  python through   the same through the gateway
  front            what is refused in front of it
  compare FOLDER   how the steps of each client ended (CLIENT-directly, CLIENT-through) with what emulator.json says of the emulator

emulator.json has, for each client, each step that fails at the emulator itself and what it does otherwise than BigQuery, and which of them
fail through the gateway too: exactly these, and nothing else. A client that `cannot_begin` there takes its first step directly, and all of
them through the gateway.
"""

import io
import json
import os
import sys
import time

from google.api_core import exceptions
from google.auth import load_credentials_from_file
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from steps import fails, load, rows, run, step

FOLDER, UPSTREAM, COMMAND = sys.argv[1:4]
DEMO = load(FOLDER, "demo.json")
PROJECT = DEMO["project"]


def client_at(url, credentials):
    return bigquery.Client(project=PROJECT, credentials=credentials, client_options={"api_endpoint": url})


def through(caller):
    return client_at(DEMO["gateway"]["plain"], load_credentials_from_file(DEMO["callers"][caller]["credentials"])[0])


DIRECT = client_at(UPSTREAM, AnonymousCredentials())


def table(name):
    return f"{PROJECT}.staging.{name}"


TRUNCATE = {"write_disposition": "WRITE_TRUNCATE"}
SCHEMA = [bigquery.SchemaField("id", "INT64"), bigquery.SchemaField("name", "STRING")]


@step
def datasets_and_tables_are_listed(reader, _):
    assert "clinic" in [dataset.dataset_id for dataset in reader.list_datasets()]
    assert "patients" in [item.table_id for item in reader.list_tables("clinic")]


@step
def schemas_are_described(reader, _):
    assert [(field.name, field.field_type) for field in reader.get_table("clinic.patients").schema][:2] == [("id", "INTEGER"), ("name", "STRING")]


@step
def tables_that_are_not_there_are_not_found(reader, _):
    fails(exceptions.NotFound, "Not found", lambda: reader.get_table("clinic.none"))


@step
def queries_are_answered_three_ways(reader, _):
    sql, expected = "SELECT id, ward FROM clinic.patients ORDER BY id LIMIT 3", [(1, "D"), (2, "C"), (3, "A")]
    assert rows(reader.query(sql).result()) == expected
    assert rows(reader.query(sql, api_method="QUERY").result()) == expected
    assert rows(reader.query_and_wait(sql)) == expected


@step
def parameters_are_taken(reader, _):
    given = [bigquery.ScalarQueryParameter("a", "INT64", 3), bigquery.ArrayQueryParameter("b", "STRING", ["p", "q"])]
    config = bigquery.QueryJobConfig(query_parameters=given)
    assert rows(reader.query("SELECT @a, @b", job_config=config).result()) == [(3, ["p", "q"])]


@step
def values_of_all_kinds_come_back(reader, _):
    sql = "SELECT DATE '2026-01-02', TIMESTAMP '2026-01-02 03:04:05+00', NUMERIC '1.5', b'ab', TRUE, [1, 2], STRUCT(1 AS a, 'x' AS b), CAST(NULL AS STRING)"
    values = list(rows(reader.query(sql).result())[0])
    assert values[0].isoformat() == "2026-01-02" and values[1].isoformat() == "2026-01-02T03:04:05+00:00" and float(values[2]) == 1.5
    assert values[3:] == [b"ab", True, [1, 2], {"a": 1, "b": "x"}, None], values


@step
def results_are_paged(reader, _):
    result = reader.query("SELECT x, REPEAT('a', 50) FROM UNNEST(GENERATE_ARRAY(1, 12000)) AS x ORDER BY x").result(page_size=5000)
    assert [len(list(page)) for page in result.pages] == [5000, 5000, 2000] and result.total_rows == 12000


@step
def joins_windows_and_groups_are_computed(reader, _):
    sql = """SELECT ward, n, RANK() OVER (ORDER BY n DESC) AS place FROM (SELECT ward, COUNT(*) AS n FROM clinic.patients GROUP BY ward)
             JOIN UNNEST(['A', 'C', 'D']) AS known ON known = ward ORDER BY ward"""
    assert rows(reader.query(sql).result()) == [("A", 1, 1), ("C", 1, 1), ("D", 1, 1)]


@step
def tables_are_made_and_changed(_, writer):
    def change(sql):
        job = writer.query(sql)
        job.result()
        return job.statement_type, job.num_dml_affected_rows

    assert change("CREATE OR REPLACE TABLE staging.t AS SELECT x AS id, 'old' AS v FROM UNNEST([1, 2, 3]) AS x")[0] == "CREATE_TABLE_AS_SELECT"
    assert change("INSERT staging.t (id, v) VALUES (4, 'x')") == ("INSERT", 1)
    assert change("UPDATE staging.t SET v = 'new' WHERE id > 2") == ("UPDATE", 2)
    assert change("DELETE FROM staging.t WHERE id = 4") == ("DELETE", 1)
    assert rows(writer.query("SELECT id, v FROM staging.t ORDER BY id").result()) == [(1, "old"), (2, "old"), (3, "new")]


@step
def tables_are_copied(_, writer):
    writer.copy_table(table("t"), table("copied"), job_config=bigquery.CopyJobConfig(**TRUNCATE)).result()
    assert rows(writer.query("SELECT COUNT(*) FROM staging.copied").result()) == [(3,)]


@step
def results_are_written_into_tables(_, writer):
    writer.query("SELECT * FROM staging.t", job_config=bigquery.QueryJobConfig(destination=table("written"), **TRUNCATE)).result()
    assert rows(writer.query("SELECT COUNT(*) FROM staging.written").result()) == [(3,)]


@step
def rows_are_loaded(_, writer):
    config = bigquery.LoadJobConfig(schema=SCHEMA, **TRUNCATE)
    assert writer.load_table_from_json([{"id": 1, "name": "a"}, {"id": 2}], table("loaded"), job_config=config).result().output_rows == 2


@step
def files_are_loaded(_, writer):
    text = "id,name\n" + "".join(f"{number},n{number}\n" for number in range(20_000))
    config = bigquery.LoadJobConfig(source_format="CSV", skip_leading_rows=1, schema=SCHEMA, **TRUNCATE)
    loaded = writer.load_table_from_file(io.BytesIO(text.encode()), table("loaded"), job_config=config)
    assert loaded.result().output_rows == 20_000


@step
def rows_are_streamed(_, writer):
    assert writer.insert_rows_json(table("t"), [{"id": 9, "v": "streamed"}]) == []
    assert rows(writer.query("SELECT v FROM staging.t WHERE id = 9").result()) == [("streamed",)]


@step
def tables_are_made_and_described_by_rest(_, writer):
    made = bigquery.Table(table("made"), schema=SCHEMA)
    writer.delete_table(made, not_found_ok=True)
    made = writer.create_table(made)
    made.description = "said"
    assert writer.update_table(made, ["description"]).description == "said"


@step
def dry_runs_name_the_schema(reader, _):
    job = reader.query("SELECT id, ward FROM clinic.patients", job_config=bigquery.QueryJobConfig(dry_run=True, use_query_cache=False))
    assert [field.name for field in job.schema] == ["id", "ward"]


@step
def dry_runs_tell_the_bytes(reader, _):
    job = reader.query("SELECT id, ward FROM clinic.patients", job_config=bigquery.QueryJobConfig(dry_run=True, use_query_cache=False))
    assert job.total_bytes_processed > 0


@step
def mistakes_in_statements_are_refused(reader, _):
    fails(exceptions.BadRequest, "yntax error", lambda: reader.query("SELEC 1").result())
    fails(exceptions.BadRequest, "nope", lambda: reader.query("SELECT nope FROM clinic.patients").result())


@step
def mistakes_in_short_queries_are_refused(reader, _):
    fails(exceptions.BadRequest, "nope", lambda: reader.query_and_wait("SELECT nope FROM clinic.patients"))


@step
def tables_in_statements_are_not_found(reader, _):
    fails(exceptions.NotFound, "none", lambda: reader.query("SELECT * FROM clinic.none").result())


@step
def mistakes_in_values_are_told(reader, _):
    fails(exceptions.BadRequest, "division by zero", lambda: reader.query("SELECT 1/0").result())


@step
def scripts_answer(reader, _):
    assert rows(reader.query("DECLARE n INT64 DEFAULT (SELECT COUNT(*) FROM clinic.patients); SELECT n + 1 AS b;").result()) == [(41,)]


@step
def scripts_have_parts(reader, _):
    job = reader.query("DECLARE n INT64 DEFAULT 1; SELECT n + 1 AS b;")
    job.result()
    assert len(list(reader.list_jobs(parent_job=job))) > 0


@step
def jobs_are_found_and_listed(reader, _):
    job = reader.query("SELECT 5")
    assert rows(job.result()) == [(5,)]
    assert reader.get_job(job.job_id).state == "DONE" and job.job_id in [other.job_id for other in reader.list_jobs(max_results=10)]


@step
def results_are_read_as_tables(reader, _):
    job = reader.query("SELECT 5")
    job.result()
    assert rows(reader.list_rows(reader.get_table(job.destination))) == [(5,)]


@step
def a_job_is_made_once(reader, _):
    name = f"once-{time.time_ns()}"
    reader.query("SELECT 1", job_id=name, job_retry=None).result()
    fails(exceptions.Conflict, "", lambda: reader.query("SELECT 1", job_id=name, job_retry=None).result())


@step
def jobs_are_cancelled(reader, _):
    assert reader.query("SELECT 1").cancel()


def seed():
    for dataset in ("clinic", "staging"):
        DIRECT.delete_dataset(dataset, delete_contents=True, not_found_ok=True)
        DIRECT.create_dataset(dataset)
    wards = {1: "D", 2: "C", 3: "A"}
    moment = "TIMESTAMP '2026-01-02 03:04:05+00'"
    patients = ", ".join(f"({id}, 'n{id}', '{id:09}', '{wards.get(id, 'B')}', {moment})" for id in range(1, 41))
    for statement in (
        "CREATE TABLE clinic.patients (id INT64, name STRING, ssn STRING, ward STRING, admitted_at TIMESTAMP)",
        f"INSERT INTO clinic.patients (id, name, ssn, ward, admitted_at) VALUES {patients}",
        "CREATE TABLE clinic.visits (id INT64, patient_id INT64, diagnosis STRING)",
        "INSERT INTO clinic.visits (id, patient_id, diagnosis) VALUES (1, 20, 'flu'), (2, 19, 'cold')",
        "CREATE VIEW clinic.v_patients AS SELECT id, ward FROM clinic.patients",
    ):
        DIRECT.query(statement).result()


def front():
    reader, etl, stranger = through("report-job"), through("etl-nightly"), through("stranger")
    shown = [row.ssn for row in reader.query("SELECT ssn FROM clinic.patients").result()]
    assert len(shown) == 40 and all(len(ssn) == 9 and ssn.startswith("XXXXX") for ssn in shown), shown
    fails(exceptions.Forbidden, "Access Denied", lambda: etl.query("CREATE TABLE staging.stolen AS SELECT ssn FROM clinic.patients").result())
    fails(exceptions.Forbidden, "no rule permits it", lambda: stranger.query("SELECT 1").result())
    job = reader.query("SELECT 5")
    job.result()
    fails(exceptions.NotFound, "Not found", lambda: etl.get_job(job.job_id))
    print("emulator  labels are masked, strangers and jobs of others refused in front of it too", flush=True)


def ended(path):
    with open(path, encoding="utf-8") as lines:
        # In their order.
        return {told["step"]: told["why"] for told in map(json.loads, lines)}


def compare(folder):
    known = load(os.path.dirname(__file__), "emulator.json")
    odd, clients = {}, sorted({name.rsplit("-", 1)[0] for name in os.listdir(folder)})
    for client in clients:
        directly, beyond = (ended(os.path.join(folder, f"{client}-{way}")) for way in ("directly", "through"))
        facts = known[client]
        steps = set(list(beyond)[:1]) if facts["cannot_begin"] else set(beyond)
        assert steps and directly.keys() == steps, f"{client}: other steps directly: {sorted(directly.keys() ^ steps)}"
        named = {*facts["directly"], *facts["through"]}
        assert named <= set(beyond), f"{client}: no such steps: {sorted(named - set(beyond))}"
        for way, found, expected in (("directly", directly, facts["directly"]), ("through the gateway", beyond, facts["through"])):
            failed = {step for step, why in found.items() if why}
            odd |= {f"{client} {way}: {step}": found.get(step) or "it works now" for step in failed ^ (set(expected) & set(found))}
            print(f"emulator, {client} {way}: {len(found) - len(failed)} steps work, {len(failed)} fail", flush=True)
        for step, why in facts["directly"].items():
            also = "fails through the gateway too" if step in facts["through"] else "works through the gateway"
            print(f"*** bqemulator itself fails {client}: {step}: {why}; {also} ***", flush=True)
    assert not odd, json.dumps(odd, indent=2)


if COMMAND == "python":
    run("python", *((DIRECT, DIRECT) if sys.argv[4] == "directly" else (through("report-job"), through("etl-nightly"))))
else:
    {"seed": seed, "front": front, "compare": compare}[COMMAND](*sys.argv[4:])
