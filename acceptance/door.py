"""Through the gateway with the official Python client, led by the environment; only who calls is said here. usage: door.py DEMO_FOLDER PROGRAM

Every step asserts what a caller of BigQuery would see, or why it is refused. The first failure ends it.
"""

import io
import json
import os
import subprocess
import sys
import time
import uuid

from google.api_core import exceptions
from google.auth import load_credentials_from_file
from google.auth.exceptions import RefreshError
from google.auth.transport.requests import Request
from google.cloud import bigquery
from google.oauth2 import credentials as oauth2
from google.oauth2 import service_account

import record
import steps
from steps import load, refused as fails, rows, run, step

DEMO = load(sys.argv[1], "demo.json")
PROJECT = DEMO["project"]


def client(caller):
    credentials, _ = load_credentials_from_file(DEMO["callers"][caller]["credentials"])
    # Where the gateway is, the environment says.
    return bigquery.Client(project=PROJECT, credentials=credentials)


assert "googleapis" not in client("report-job")._connection.API_BASE_URL, "the environment leads nowhere"
REPORT, ANALYST, ETL, AGENT, STRANGER = (client(name) for name in ("report-job", "analyst", "etl-nightly", "support-agent", "stranger"))


@step
def datasets_tables_and_schemas_are_described():
    assert "clinic" in [dataset.dataset_id for dataset in REPORT.list_datasets()]
    assert "patients" in [table.table_id for table in REPORT.list_tables("clinic")]
    assert [field.name for field in REPORT.get_table("clinic.patients").schema][:2] == ["id", "name"]
    fails(exceptions.NotFound, "Not found", lambda: REPORT.get_table("clinic.none"))


@step
def queries_are_answered_three_ways():
    sql, expected = "SELECT id, ward FROM clinic.patients ORDER BY id LIMIT 3", [(1, "D"), (2, "C"), (3, "A")]
    assert rows(REPORT.query(sql).result()) == expected
    assert rows(REPORT.query(sql, api_method="QUERY").result()) == expected
    assert rows(REPORT.query_and_wait(sql)) == expected


@step
def parameters_are_taken():
    given = [bigquery.ScalarQueryParameter("a", "INT64", 3), bigquery.ArrayQueryParameter("b", "STRING", ["p", "q"])]
    config = bigquery.QueryJobConfig(query_parameters=given)
    assert rows(REPORT.query("SELECT @a, @b", job_config=config).result()) == [(3, ["p", "q"])]
    assert rows(REPORT.query_and_wait("SELECT @a + 1, @b", job_config=config)) == [(4, ["p", "q"])]


@step
def results_are_paged():
    result = REPORT.query("SELECT x, REPEAT('a', 50) FROM UNNEST(GENERATE_ARRAY(1, 12000)) AS x ORDER BY x").result(page_size=5000)
    assert [len(list(page)) for page in result.pages] == [5000, 5000, 2000] and result.total_rows == 12000
    large = REPORT.query("SELECT id FROM bench.events LIMIT 30000").result(page_size=10000)
    assert [row.id for row in large] == list(range(30000))


@step
def tables_are_made_changed_copied_and_loaded():
    def change(sql):
        job = ETL.query(sql)
        job.result()
        return job.statement_type, job.num_dml_affected_rows

    assert change("CREATE OR REPLACE TABLE staging.t AS SELECT x AS id, 'old' AS v FROM UNNEST([1, 2, 3]) AS x")[0] == "CREATE_TABLE_AS_SELECT"
    assert change("INSERT staging.t (id, v) VALUES (4, 'x')") == ("INSERT", 1)
    assert change("UPDATE staging.t SET v = 'new' WHERE id > 2") == ("UPDATE", 2)
    assert change("DELETE FROM staging.t WHERE id = 4") == ("DELETE", 1)
    replace = bigquery.CopyJobConfig(write_disposition="WRITE_TRUNCATE")
    ETL.copy_table(f"{PROJECT}.staging.t", f"{PROJECT}.staging.copied", job_config=replace).result()
    assert rows(ETL.query("SELECT id, v FROM staging.copied ORDER BY id").result()) == [(1, "old"), (2, "old"), (3, "new")]
    target = bigquery.QueryJobConfig(destination=f"{PROJECT}.staging.written", write_disposition="WRITE_TRUNCATE")
    ETL.query("SELECT * FROM staging.t", job_config=target).result()
    assert ETL.get_table("staging.written").num_rows == 3
    schema = [bigquery.SchemaField("id", "INT64"), bigquery.SchemaField("name", "STRING")]
    config = bigquery.LoadJobConfig(schema=schema, write_disposition="WRITE_TRUNCATE")
    assert ETL.load_table_from_json([{"id": 1, "name": "a"}, {"id": 2}], f"{PROJECT}.staging.loaded", job_config=config).result().output_rows == 2
    text = "id,name\n" + "".join(f"{number},n{number}\n" for number in range(200_000))
    config = bigquery.LoadJobConfig(source_format="CSV", skip_leading_rows=1, schema=schema, write_disposition="WRITE_TRUNCATE")
    loaded = ETL.load_table_from_file(io.BytesIO(text.encode()), f"{PROJECT}.staging.loaded", job_config=config)
    assert loaded.result().output_rows == 200_000
    assert ETL.insert_rows_json(f"{PROJECT}.staging.t", [{"id": 9, "v": "streamed"}]) == []
    made = bigquery.Table(f"{PROJECT}.staging.made", schema=schema)
    ETL.delete_table(made, not_found_ok=True)
    made = ETL.create_table(made)
    made.description = "said"
    assert ETL.update_table(made, ["description"]).description == "said"


@step
def dry_runs_tell_and_do_nothing():
    job = REPORT.query("SELECT id, ward FROM clinic.patients", job_config=bigquery.QueryJobConfig(dry_run=True, use_query_cache=False))
    assert job.total_bytes_processed > 0 and [field.name for field in job.schema] == ["id", "ward"]


@step
def mistakes_come_back_as_bigquery_says_them():
    fails(exceptions.BadRequest, "Syntax error", lambda: REPORT.query("SELEC 1").result())
    fails(exceptions.BadRequest, "Unrecognized name: nope", lambda: REPORT.query("SELECT nope FROM clinic.patients").result())
    fails(exceptions.NotFound, "Not found: Table", lambda: REPORT.query("SELECT * FROM clinic.none").result())
    # Of a job that ran. Told with its rows it has an id to quote, told with the job it has none: which of them comes first is not ours to say.
    steps.fails(exceptions.BadRequest, "division by zero", lambda: REPORT.query("SELECT 1/0").result())


def hidden(text):
    return len(text) == len("XXXXX0013") and text.startswith("XXXXX")


@step
def labelled_columns_come_out_masked():
    for way in (REPORT.query_and_wait, lambda sql: REPORT.query(sql).result(), lambda sql: AGENT.query(sql, api_method="QUERY").result()):
        shown = list(way("SELECT * FROM clinic.patients"))
        assert len(shown) == 40
        for row in shown:
            assert row.name and hidden(row.ssn) and row.notes is None, row
            assert row.email is None or row.email.startswith("XXXXX@"), row
            assert row.address["street"] == "" and row.address["city"], row
            numbers = [*row.phones, *(contact["phone"] for contact in row.contacts)]
            assert all(set(number[:-2]) == {"*"} for number in numbers), row
        assert all(hidden(row.national_id) for row in way("SELECT * FROM clinic.v_patients"))
        assert rows(way("SELECT CONCAT('no. ', ssn) AS innocent FROM clinic.patients LIMIT 1")) == [("",)]
        ((number, email),) = rows(way("SELECT ANY_VALUE(ssn) AS a, ANY_VALUE(email) AS b FROM clinic.patients"))
        assert hidden(number) and email.startswith("XXXXX@"), (number, email)
        assert rows(way("WITH p AS (SELECT ssn AS x FROM clinic.patients) SELECT IF(x > '5', 1, 0) AS y FROM p LIMIT 1")) == [(0,)]
    job = REPORT.query("SELECT ssn FROM clinic.patients ORDER BY id")
    by_query = rows(job.result(page_size=7))
    again = REPORT.get_job(job.job_id)
    assert rows(again.result()) == by_query == rows(REPORT.list_rows(REPORT.get_table(again.destination)))
    assert [row.diagnosis for row in REPORT.list_rows("clinic.visits", max_results=2)] == [None, None]


@step
def masks_lift_no_refusal():
    for sql in ("SELECT COUNT(*) FROM clinic.patients WHERE ssn LIKE '1%'", "SELECT id FROM clinic.patients ORDER BY ssn LIMIT 1"):
        fails(exceptions.Forbidden, "ssn", lambda: REPORT.query(sql).result())
    copy = bigquery.CopyJobConfig(write_disposition="WRITE_TRUNCATE")
    steal = lambda: ETL.copy_table(f"{PROJECT}.clinic.patients", f"{PROJECT}.staging.stolen", job_config=copy).result()
    fails(exceptions.Forbidden, "Access Denied", steal)
    fails(exceptions.Forbidden, "Access Denied", lambda: ETL.query("CREATE TABLE staging.stolen AS SELECT ssn FROM clinic.patients").result())
    narrow = [field for field in REPORT.get_table("clinic.visits").schema if field.name in ("id", "patient_id")]
    assert rows(REPORT.list_rows("clinic.visits", selected_fields=narrow, max_results=2)) == [(1, 20), (2, 19)]
    assert len(rows(ANALYST.query("SELECT diagnosis, COUNT(*) FROM clinic.visits GROUP BY diagnosis").result())) > 1


@step
def each_caller_does_what_its_rules_say():
    fails(exceptions.Forbidden, "agents do not write", lambda: AGENT.query("DROP TABLE clinic.visits").result())
    assert rows(AGENT.query("SELECT COUNT(*) FROM clinic.patients").result()) == [(40,)]
    fails(exceptions.Forbidden, "no rule permits it", lambda: STRANGER.query("SELECT 1").result())
    fails(exceptions.Forbidden, "no rule permits it", lambda: REPORT.query("CREATE TABLE staging.x AS SELECT 1 AS a").result())
    fails(exceptions.Forbidden, "no rule permits it", lambda: ETL.extract_table(f"{PROJECT}.staging.t", "gs://bucket/x.csv").result())


@step
def jobs_belong_to_who_made_them():
    job = REPORT.query("SELECT 5")
    assert rows(job.result()) == [(5,)]
    again = REPORT.get_job(job.job_id)
    assert again.state == "DONE" and job.job_id in [other.job_id for other in REPORT.list_jobs(max_results=10)]
    assert rows(REPORT.list_rows(REPORT.get_table(again.destination))) == [(5,)]
    assert job.job_id not in [other.job_id for other in ANALYST.list_jobs(max_results=100)]
    for stolen in (
        lambda: ANALYST.get_job(job.job_id),
        lambda: ANALYST.cancel_job(job.job_id),
        lambda: rows(ANALYST.list_rows(again.destination)),
        lambda: rows(ANALYST.query(f"SELECT * FROM `{PROJECT}.{again.destination.dataset_id}.{again.destination.table_id}`").result()),
    ):
        fails(exceptions.NotFound, "Not found", stolen)
    name = f"door-{uuid.uuid4()}"
    REPORT.query("SELECT 1", job_id=name, job_retry=None).result()
    fails(exceptions.Conflict, f"Already Exists: Job {PROJECT}:US.{name}", lambda: ANALYST.query("SELECT 1", job_id=name, job_retry=None).result())


@step
def scripts_have_parts():
    job = REPORT.query("DECLARE n INT64 DEFAULT (SELECT COUNT(*) FROM clinic.patients); SELECT n + 1 AS b;")
    assert rows(job.result()) == [(41,)] and job.statement_type == "SCRIPT"
    parts = list(REPORT.list_jobs(parent_job=job))
    assert len(parts) == job.num_child_jobs > 1
    values = [part for part in parts if part.script_statistics.evaluation_kind == "EXPRESSION"]
    shown = [part for part in parts if part.script_statistics.evaluation_kind == "STATEMENT" and part.statement_type == "SELECT"]
    assert [rows(part.result()) for part in shown] == [[(41,)]]
    for part in values:
        fails(exceptions.BadRequest, "shown to nobody", lambda: rows(part.result()))
    fails(exceptions.NotFound, "Not found", lambda: list(ANALYST.list_jobs(parent_job=job)))


@step
def slow_jobs_are_polled_and_cancelled():
    job = REPORT.query("SELECT 1 AS x")
    assert job.cancel()
    deadline = time.monotonic() + 20
    while not job.done():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@step
def what_was_asked_is_on_record():
    sql = f"SELECT id, ward FROM clinic.patients WHERE id = @wanted -- {uuid.uuid4()}"
    config = bigquery.QueryJobConfig(query_parameters=[bigquery.ScalarQueryParameter("wanted", "INT64", 3)])
    job = ETL.query(sql, job_config=config)
    assert rows(job.result()) == [(3, "A")]
    gateway = record.Gateway(*sys.argv[1:3])
    asked = [{"caller": "etl-nightly", "statement": sql, "parameters": [("wanted", "3")], "ends": "completed"}]
    # The end of a request goes on record while its answer is on its way.
    deadline = time.monotonic() + 30
    while True:
        requests = [request for request in gateway.requests(0) if record.statement(request) == sql]
        try:
            record.check(gateway, requests, "python", asked)
            break
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
    record.check_that_it_bites(gateway, requests, "python", asked)
    assert all("ci-reads" in request["rules"] for request in requests), requests


def credentials_command(*arguments):
    said = ["--config", sys.argv[1], "--by", "ada", "--reason", "the tour"]
    return subprocess.run([sys.argv[2], "credentials", *arguments, *said], check=True, capture_output=True, text=True)


def issued(name, *more):
    path, expires = os.path.join(sys.argv[1], f"{name}.key.json"), time.strftime("%Y-%m-%d", time.gmtime(time.time() + 30 * 86_400))
    known = ["--name", name, "--project", PROJECT, "--group", "staff", "--expires", expires, "--out", path]
    credentials_command("issue", *known, *more)
    return path


def until(action, waited_for, meanwhile):
    """Until the running gateway has looked again: whether it is accepted (None) or refused for that reason, and what else may be said meanwhile."""
    deadline = time.monotonic() + 60
    while True:
        try:
            action()
            if waited_for is None:
                return
        except (RefreshError, exceptions.Unauthorized) as error:
            if waited_for is not None and waited_for in str(error):
                return
            assert meanwhile in str(error), error
        assert time.monotonic() < deadline, f"{waited_for or 'accepted'}: waited for too long"
        time.sleep(0.5)


@step
def files_that_the_gateway_issued_are_taken():
    domain, gateway = DEMO["gateway"]["universe_domain"], DEMO["gateway"]["plain"]
    asking, signing = issued("asking"), issued("signing", "--universe-domain", domain)
    # Exchanged at the gateway, by the library itself.
    holder = service_account.Credentials.from_service_account_file(asking, scopes=["https://www.googleapis.com/auth/bigquery"])
    until(lambda: holder.refresh(Request()), None, "the token was not accepted")
    by_token = bigquery.Client(project=PROJECT, credentials=oauth2.Credentials(holder.token), client_options={"api_endpoint": gateway})
    # Signed by the library for each request, as it does where a universe domain is set.
    by_itself = bigquery.Client.from_service_account_json(signing, client_options={"api_endpoint": gateway, "universe_domain": domain})
    until(lambda: by_itself.query_and_wait("SELECT 1"), None, "the token was not accepted")
    for bearer in (by_token, by_itself):
        assert rows(bearer.query("SELECT COUNT(*) FROM clinic.patients").result()) == [(40,)]
        ((masked,),) = rows(bearer.query("SELECT ANY_VALUE(ssn) FROM clinic.patients").result())
        assert hidden(masked), masked
    for path in (asking, signing):
        with open(path, encoding="utf-8") as file:
            credentials_command("revoke", "--id", json.load(file)["private_key_id"])
    # Twice in one second the library signs the same text, and that is exchanged once.
    until(lambda: holder.refresh(Request()), "invalid_grant: the credentials file was revoked", "exchanged before")
    until(lambda: by_itself.query_and_wait("SELECT 1"), "the credentials file was revoked", "nothing else")
    # Its token is over too, and it has nothing to get another one with.
    until(lambda: by_token.query_and_wait("SELECT 1"), "necessary fields need to refresh", "nothing else")


run("python")
