"""A tour of the sandbox warehouse with the official Python client. usage: tour.py URL BEARER_TOKEN USER_EMAIL

Every step asserts what BigQuery would do. The first failure ends the tour.
"""

import datetime
import decimal
import gzip
import io
import json
import sys
import time
import urllib.error
import urllib.request
import uuid

from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.cloud import bigquery
from google.oauth2.credentials import Credentials

URL, TOKEN, EMAIL = sys.argv[1:4]
PROJECT = "acme-prod"
STEPS = []


def step(function):
    STEPS.append(function)
    return function


def connect(token=TOKEN):
    options = ClientOptions(api_endpoint=URL)
    return bigquery.Client(project=PROJECT, credentials=Credentials(token), client_options=options, location="US")


def rows(iterator):
    return [tuple(row) for row in iterator]


def raw(verb, path, body=None, token=TOKEN):
    data = json.dumps(body).encode() if body is not None else None
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(URL + path, method=verb, data=data, headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def fails(kind, part, action):
    try:
        action()
    except kind as error:
        assert part in str(error), f"{part!r} is not in {error}"
        return error
    raise AssertionError(f"{kind.__name__} was expected")


def with_parameters(*parameters):
    return bigquery.QueryJobConfig(query_parameters=list(parameters))


CLIENT = connect()


@step
def a_wrong_token_is_refused():
    status, body = raw("GET", f"/bigquery/v2/projects/{PROJECT}/datasets", token="wrong")
    assert (status, body["error"]["status"]) == (401, "UNAUTHENTICATED"), body


@step
def datasets_and_tables_are_made():
    dataset = bigquery.Dataset(f"{PROJECT}.tour")
    dataset.labels = {"made": "by-tour"}
    assert CLIENT.create_dataset(dataset).full_dataset_id == f"{PROJECT}:tour"
    fails(exceptions.Conflict, "Already Exists", lambda: CLIENT.create_dataset("tour"))
    field = bigquery.SchemaField
    table = bigquery.Table(
        f"{PROJECT}.tour.things",
        schema=[
            field("id", "INT64", "REQUIRED"),
            field("name", "STRING"),
            field("amount", "NUMERIC"),
            field("at", "TIMESTAMP"),
            field("day", "DATE"),
            field("raw", "BYTES"),
            field("doc", "JSON"),
            field("tags", "STRING", "REPEATED"),
            field("place", "RECORD", fields=[field("city", "STRING"), field("codes", "INT64", "REPEATED")]),
        ],
    )
    table.clustering_fields = ["name"]
    table.time_partitioning = bigquery.TimePartitioning(field="at")
    made = CLIENT.create_table(table)
    assert made.clustering_fields == ["name"] and made.time_partitioning.field == "at"
    assert [column.name for column in CLIENT.get_table("tour.things").schema][:3] == ["id", "name", "amount"]
    made.description = "what was seen"
    assert CLIENT.update_table(made, ["description"]).description == "what was seen"
    fails(exceptions.PreconditionFailed, "Precondition", lambda: CLIENT.update_table(made, ["description"]))
    assert [entry.table_id for entry in CLIENT.list_tables("tour")] == ["things"]
    assert "clinic" in [entry.dataset_id for entry in CLIENT.list_datasets()]
    fails(exceptions.NotFound, "Not found: Table acme-prod:tour.none", lambda: CLIENT.get_table("tour.none"))


@step
def rows_are_streamed_in_and_listed():
    when = "2026-01-02T03:04:05.678901Z"
    row = {"id": 1, "name": "a", "amount": "1.5", "at": when, "day": "2026-01-02", "raw": "/w==", "tags": ["x", "y"]}
    row |= {"doc": '{"k": [1, null]}', "place": {"city": "Bern", "codes": [7, 8]}}
    assert CLIENT.insert_rows_json(f"{PROJECT}.tour.things", [row, {"id": 2}]) == []
    errors = CLIENT.insert_rows_json(f"{PROJECT}.tour.things", [{"id": 3, "none": 1}, {"name": "b"}])
    assert [error["index"] for error in errors] == [0, 1], errors
    first, second = CLIENT.list_rows("tour.things")
    assert first["at"] == datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, datetime.timezone.utc)
    assert first["amount"] == decimal.Decimal("1.5") and first["raw"] == b"\xff" and first["day"] == datetime.date(2026, 1, 2)
    assert first["place"] == {"city": "Bern", "codes": [7, 8]} and first["tags"] == ["x", "y"] and first["doc"] == {"k": [1, None]}
    assert second["name"] is None and second["tags"] == [] and second["place"] is None
    narrow = CLIENT.list_rows("tour.things", selected_fields=[bigquery.SchemaField("name", "STRING")], max_results=1)
    assert rows(narrow) == [("a",)]


@step
def queries_are_answered_three_ways():
    sql = "SELECT id, name, amount, `at` FROM tour.things ORDER BY id"
    expected = [1, 2]
    assert [row.id for row in CLIENT.query(sql).result()] == expected
    assert [row.id for row in CLIENT.query(sql, api_method="QUERY").result()] == expected
    assert [row.id for row in CLIENT.query_and_wait(sql)] == expected
    job = CLIENT.query("SELECT COUNT(*) AS n, ANY_VALUE(ssn) AS s FROM clinic.patients", job_config=bigquery.QueryJobConfig(labels={"a": "b"}))
    assert list(job.result())[0].n == 40
    assert job.state == "DONE" and job.statement_type == "SELECT" and job.labels == {"a": "b"} and job.user_email == EMAIL
    assert job.total_bytes_processed > 40 and job.total_bytes_billed == 10 * 1024 * 1024
    assert [table.table_id for table in job.referenced_tables] == ["patients"]
    again = CLIENT.get_job(job.job_id)
    assert rows(CLIENT.list_rows(CLIENT.get_table(again.destination))) == rows(job.result())


@step
def every_type_comes_back():
    sql = """SELECT 1, 1.5, TRUE, 'a', b'a', DATE '2026-01-02', DATETIME '2026-01-02 03:04:05.6', TIME '03:04:05', NUMERIC '1.25', BIGNUMERIC '1e-38',
        JSON '{"a": 1}', RANGE(DATE '2026-01-01', NULL), INTERVAL 1 DAY, [1, 2], STRUCT('x' AS a, [STRUCT(1 AS b)] AS c), CAST(NULL AS STRING),
        CAST('nan' AS FLOAT64), 1e300, TIMESTAMP '9999-12-31 23:59:59.999999+00'"""
    row = list(CLIENT.query(sql).result())[0]
    assert row[:5] == (1, 1.5, True, "a", b"a") and row[5] == datetime.date(2026, 1, 2)
    assert row[6] == datetime.datetime(2026, 1, 2, 3, 4, 5, 600000) and row[7] == datetime.time(3, 4, 5)
    assert row[8] == decimal.Decimal("1.25") and row[9] == decimal.Decimal("1e-38") and row[10] == {"a": 1}
    assert row[11] == {"start": datetime.date(2026, 1, 1), "end": None} and row[12].days == 1
    assert row[13] == [1, 2] and row[14] == {"a": "x", "c": [{"b": 1}]} and row[15] is None and row[16] != row[16] and row[17] == 1e300
    assert row[18].year == 9999 and row[18].microsecond == 999999
    assert [field.name for field in CLIENT.query(sql).result().schema][:2] == ["f0_", "f1_"]


@step
def parameters_are_taken():
    scalar, array, struct = bigquery.ScalarQueryParameter, bigquery.ArrayQueryParameter, bigquery.StructQueryParameter
    named = with_parameters(scalar("a", "INT64", 3), array("b", "STRING", ["p", "q"]), struct("s", scalar("f", "DATE", datetime.date(2026, 1, 2))))
    assert rows(CLIENT.query("SELECT @a, @b, @s.f", job_config=named).result()) == [(3, ["p", "q"], datetime.date(2026, 1, 2))]
    positional = with_parameters(scalar(None, "INT64", 3), scalar(None, "STRING", "x"))
    assert rows(CLIENT.query("SELECT ? + 1, ?", job_config=positional).result()) == [(4, "x")]
    when = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    assert rows(CLIENT.query_and_wait("SELECT @t", job_config=with_parameters(scalar("t", "TIMESTAMP", when)))) == [(when,)]
    fails(exceptions.BadRequest, "'z' not found", lambda: CLIENT.query("SELECT @z").result())


@step
def results_are_paged():
    sql = "SELECT x, REPEAT('a', 50) FROM UNNEST(GENERATE_ARRAY(1, 12000)) AS x ORDER BY x"
    iterator = CLIENT.query(sql).result(page_size=5000)
    assert [len(list(page)) for page in iterator.pages] == [5000, 5000, 2000] and iterator.total_rows == 12000
    large = CLIENT.query("SELECT * FROM bench.events").result(page_size=1000)
    assert large.total_rows == 20_000_000
    assert [row.id for row in next(large.pages)][:3] == [0, 1, 2]
    late = CLIENT.list_rows("bench.events", start_index=19_999_998, selected_fields=CLIENT.get_table("bench.events").schema[:1])
    assert rows(late) == [(19_999_998,), (19_999_999,)]


@step
def tables_are_changed():
    def change(sql):
        job = CLIENT.query(sql)
        job.result()
        stats = job.dml_stats
        return job.statement_type, job.num_dml_affected_rows, (stats.inserted_row_count, stats.updated_row_count, stats.deleted_row_count)

    created = CLIENT.query("CREATE TABLE tour.t AS SELECT x AS id, 'old' AS v FROM UNNEST([1, 2, 3]) AS x")
    created.result()
    assert (created.statement_type, created.ddl_operation_performed, created.ddl_target_table.table_id) == ("CREATE_TABLE_AS_SELECT", "CREATE", "t")
    assert change("INSERT tour.t (id, v) VALUES (4, 'x'), (5, 'y')") == ("INSERT", 2, (2, 0, 0))
    assert change("UPDATE tour.t SET v = 'new' WHERE id > 3") == ("UPDATE", 2, (0, 2, 0))
    assert change("DELETE FROM tour.t WHERE id = 5") == ("DELETE", 1, (0, 0, 1))
    merge = "MERGE tour.t t USING (SELECT 1 AS id, 'm' AS v UNION ALL SELECT 9, 'n') s ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT ROW"
    assert change(merge) == ("MERGE", 2, (1, 1, 0))
    assert rows(CLIENT.query("SELECT id, v FROM tour.t ORDER BY id").result()) == [(1, "m"), (2, "old"), (3, "old"), (4, "new"), (9, "n")]
    target = bigquery.QueryJobConfig(destination=f"{PROJECT}.tour.copied", write_disposition="WRITE_TRUNCATE")
    CLIENT.query("SELECT * FROM tour.t", job_config=target).result()
    assert CLIENT.get_table("tour.copied").num_rows == 5
    occupied = bigquery.QueryJobConfig(destination=f"{PROJECT}.tour.copied", write_disposition="WRITE_EMPTY")
    fails(exceptions.Conflict, "Already Exists", lambda: CLIENT.query("SELECT 1 AS a", job_config=occupied).result())


@step
def scripts_have_child_jobs():
    sql = "DECLARE n INT64 DEFAULT (SELECT COUNT(*) FROM clinic.patients);\nCREATE TEMP TABLE t AS SELECT n AS a;\nSELECT a + 1 AS b FROM t;"
    job = CLIENT.query(sql)
    assert rows(job.result()) == [(41,)]
    assert job.statement_type == "SCRIPT" and job.num_child_jobs == 3
    children = sorted(CLIENT.list_jobs(parent_job=job), key=lambda child: child.job_id.rsplit("_", 1)[1])
    assert [child.statement_type for child in children] == ["SELECT", "CREATE_TABLE_AS_SELECT", "SELECT"]
    assert [child.script_statistics.evaluation_kind for child in children] == ["EXPRESSION", "STATEMENT", "STATEMENT"]
    assert all(child.parent_job_id == job.job_id for child in children)
    assert children[2].script_statistics.stack_frames[0].start_line == 3
    assert rows(children[2].result()) == [(41,)]
    assert job.job_id in [other.job_id for other in CLIENT.list_jobs(max_results=5)]
    assert children[0].job_id not in [other.job_id for other in CLIENT.list_jobs(max_results=50)]
    error = fails(exceptions.BadRequest, "division by zero", lambda: CLIENT.query("SELECT 1; SELECT 1/0;").result())
    assert "[1:11]" in str(error), error


@step
def dry_runs_tell_and_do_nothing():
    dry = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False)
    before = len(list(CLIENT.list_jobs(max_results=1000)))
    whole = CLIENT.query("SELECT * FROM clinic.patients", job_config=dry)
    one = CLIENT.query("SELECT ward FROM clinic.patients", job_config=dry)
    assert 0 < one.total_bytes_processed < whole.total_bytes_processed == CLIENT.get_table("clinic.patients").num_bytes
    view = CLIENT.query("SELECT * FROM clinic.v_badges", job_config=dry)
    assert [table.table_id for table in view.referenced_tables] == ["patients"] and [field.name for field in view.schema] == ["code", "label"]
    delete = CLIENT.query("DELETE FROM tour.t WHERE TRUE", job_config=dry)
    assert delete.statement_type == "DELETE" and [table.table_id for table in delete.referenced_tables] == ["t"]
    assert CLIENT.get_table("tour.t").num_rows == 5
    assert len(list(CLIENT.list_jobs(max_results=1000))) == before
    fails(exceptions.BadRequest, "Unrecognized name: nope", lambda: CLIENT.query("SELECT nope FROM clinic.patients", job_config=dry))
    status, answer = raw("POST", f"/bigquery/v2/projects/{PROJECT}/queries", {"query": "SELECT id FROM clinic.visits", "useLegacySql": False, "dryRun": True})
    assert status == 200 and answer["totalBytesProcessed"] == "960" and answer["schema"]["fields"][0]["name"] == "id", answer
    costly = bigquery.QueryJobConfig(maximum_bytes_billed=1)
    fails(exceptions.BadRequest, "limit for bytes billed", lambda: CLIENT.query("SELECT id FROM clinic.visits", job_config=costly).result())


@step
def errors_have_bigquerys_shapes():
    def check(sql, status, reason, part):
        found, body = raw("POST", f"/bigquery/v2/projects/{PROJECT}/queries", {"query": sql, "useLegacySql": False})
        error = body["error"]
        assert (found, error["errors"][0]["reason"]) == (status, reason) and part in error["message"], body

    check("SELEC 1", 400, "invalidQuery", "Syntax error: Unexpected identifier")
    check("SELECT * FROM clinic.none", 404, "notFound", "Not found: Table")
    check("SELECT 1/0", 400, "invalidQuery", "division by zero")
    check("SELECT ST_GEOGPOINT(1, 2)", 501, "notImplemented", "st_geogpoint")
    found, body = raw("POST", f"/bigquery/v2/projects/{PROJECT}/queries", {"query": "SELECT 1"})
    assert found == 501 and "legacy" in body["error"]["message"], body
    found, body = raw("POST", f"/bigquery/v2/projects/{PROJECT}/jobs", {"configuration": {"load": {"sourceUris": ["gs://a/b"]}}})
    assert found == 501 and "load jobs from `gs://a/b`" in body["error"]["message"], body
    found, body = raw("GET", "/bigquery/v2/nowhere")
    assert found == 404 and body["error"]["errors"][0]["reason"] == "notFound", body


@step
def jobs_are_told_apart():
    name = f"tour-{uuid.uuid4()}"
    CLIENT.query("SELECT 1", job_id=name, job_retry=None).result()
    body = {"jobReference": {"projectId": PROJECT, "jobId": name}, "configuration": {"query": {"query": "SELECT 2", "useLegacySql": False}}}
    status, answer = raw("POST", f"/bigquery/v2/projects/{PROJECT}/jobs", body)
    assert (status, answer["error"]["errors"][0]["reason"]) == (409, "duplicate"), answer
    request = {"query": "INSERT tour.t (id, v) VALUES (77, 'once')", "useLegacySql": False, "requestId": name}
    first, second = (raw("POST", f"/bigquery/v2/projects/{PROJECT}/queries", request)[1] for _ in range(2))
    assert first["jobReference"] == second["jobReference"] and first["numDmlAffectedRows"] == "1"
    assert rows(CLIENT.query("SELECT COUNT(*) FROM tour.t WHERE id = 77").result()) == [(1,)]


@step
def slow_jobs_are_polled_and_cancelled():
    slow = {"path": "/jobs", "verb": "POST", "act": {"kind": "job", "milliseconds": 12_000}}
    assert raw("POST", "/sandbox/faults", slow)[0] == 204
    job = CLIENT.query("SELECT 1 AS slow")
    started = time.time()
    path = f"/bigquery/v2/projects/{PROJECT}/queries/{job.job_id}"
    status, answer = raw("GET", f"{path}?timeoutMs=0")
    assert (status, answer["jobComplete"]) == (200, False) and time.time() - started < 2
    status, answer = raw("GET", path)
    assert answer["jobComplete"] is False and 9 < time.time() - started < 12, time.time() - started
    assert rows(job.result()) == [(1,)]
    assert raw("POST", "/sandbox/faults", slow)[0] == 204
    job = CLIENT.query("SELECT 2 AS cancelled")
    assert job.cancel() and job.state == "DONE"
    fails(exceptions.GoogleAPICallError, "cancelled", job.result)


@step
def transient_failures_are_survived():
    failure = {"path": "/queries/", "count": 2, "act": {"kind": "answer", "reason": "backendError", "message": "try again"}}
    assert raw("POST", "/sandbox/faults", failure)[0] == 204
    assert rows(CLIENT.query("SELECT 3").result()) == [(3,)]
    refusal = {"path": "/jobs", "act": {"kind": "answer", "reason": "accessDenied", "message": "not for you"}}
    assert raw("POST", "/sandbox/faults", refusal)[0] == 204
    fails(exceptions.Forbidden, "not for you", lambda: CLIENT.query("SELECT 4").result())


@step
def routines_and_views_are_kept():
    CLIENT.query("CREATE OR REPLACE FUNCTION tour.f(x INT64) RETURNS INT64 AS (x * 2)").result()
    assert [routine.routine_id for routine in CLIENT.list_routines("tour")] == ["f"]
    assert CLIENT.get_routine("tour.f").body == "x * 2"
    assert rows(CLIENT.query("SELECT tour.f(4)").result()) == [(8,)]
    CLIENT.query("CREATE OR REPLACE PROCEDURE tour.p(x INT64, OUT y INT64) BEGIN SET y = tour.f(x) + 1; END").result()
    assert rows(CLIENT.query("DECLARE y INT64; CALL tour.p(3, y); SELECT y").result()) == [(7,)]
    view = bigquery.Table(f"{PROJECT}.tour.v")
    view.view_query = f"SELECT id, UPPER(v) AS u FROM `{PROJECT}.tour.t`"
    made = CLIENT.create_table(view)
    assert made.table_type == "VIEW" and [field.name for field in made.schema] == ["id", "u"]
    assert rows(CLIENT.query("SELECT u FROM tour.v WHERE id = 2").result()) == [("OLD",)]
    fails(exceptions.BadRequest, "VIEW", lambda: rows(CLIENT.list_rows("tour.v", selected_fields=made.schema)))


@step
def the_schema_and_the_jobs_can_be_asked_for():
    sql = "SELECT table_name, table_type FROM tour.INFORMATION_SCHEMA.TABLES ORDER BY 1"
    assert rows(CLIENT.query(sql).result()) == [("copied", "BASE TABLE"), ("t", "BASE TABLE"), ("things", "BASE TABLE"), ("v", "VIEW")]
    sql = "SELECT column_name, data_type FROM tour.INFORMATION_SCHEMA.COLUMNS WHERE table_name = 't' ORDER BY ordinal_position"
    assert rows(CLIENT.query(sql).result()) == [("id", "INT64"), ("v", "STRING")]
    sql = f"SELECT COUNT(*) FROM `region-us`.INFORMATION_SCHEMA.JOBS WHERE statement_type = 'MERGE' AND state = 'DONE' AND user_email = '{EMAIL}'"
    assert rows(CLIENT.query(sql).result()) == [(1,)]


@step
def rows_are_loaded_as_json():
    table = f"{PROJECT}.tour.loaded"
    given = [{"id": 1, "name": "a", "at": "2026-01-02T03:04:05Z", "tags": ["x"], "place": {"city": "Bern"}}, {"id": 2, "name": None}]
    job = CLIENT.load_table_from_json(given, table)
    assert job.result().state == "DONE" and job.job_type == "load" and job.user_email == EMAIL
    assert (job.output_rows, job.input_files, job.errors) == (2, 1, None) and job.output_bytes > 0 and job.input_file_bytes > 0
    first, second = CLIENT.list_rows(table)
    assert (first["id"], first["tags"], first["place"], second["name"]) == (1, ["x"], {"city": "Bern"}, None)
    assert first["at"] == datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    CLIENT.load_table_from_json([{"id": 3}], table).result()
    assert CLIENT.get_table(table).num_rows == 3
    truncate = bigquery.LoadJobConfig(write_disposition="WRITE_TRUNCATE", schema=[bigquery.SchemaField("id", "INT64", "REQUIRED")])
    CLIENT.load_table_from_json([{"id": 4}], table, job_config=truncate).result()
    assert rows(CLIENT.list_rows(table)) == [(4,)]
    bad = CLIENT.load_table_from_json([{"id": 5}, {"id": "six"}], table, job_config=bigquery.LoadJobConfig(schema=truncate.schema))
    fails(exceptions.BadRequest, "JSON table encountered too many errors", bad.result)
    assert [error["reason"] for error in bad.errors] == ["invalid"] * 3 and "Field: id; Value: six" in bad.errors[2]["message"], bad.errors
    name = f"tour-load-{uuid.uuid4()}"
    CLIENT.load_table_from_json([{"id": 6}], table, job_id=name).result()
    fails(exceptions.Conflict, "Already Exists: Job", lambda: CLIENT.load_table_from_json([{"id": 6}], table, job_id=name))
    assert rows(CLIENT.query("SELECT COUNT(*) FROM tour.loaded").result()) == [(2,)]
    assert name in [other.job_id for other in CLIENT.list_jobs(max_results=5)]
    fails(exceptions.NotFound, "Not found: Dataset", lambda: CLIENT.load_table_from_json([{"id": 7}], f"{PROJECT}.nowhere.t"))


@step
def files_are_loaded_piece_by_piece():
    from google.cloud.bigquery import client as library

    file = b"id,v\n" + b"".join(b"%d,%032d\n" % (number, number) for number in range(30_000))
    config = bigquery.LoadJobConfig(source_format="CSV", autodetect=True, write_disposition="WRITE_TRUNCATE")
    whole, library._DEFAULT_CHUNKSIZE = library._DEFAULT_CHUNKSIZE, 256 * 1024
    try:
        before = len(raw("GET", "/sandbox/requests")[1]["requests"])
        for failure in (None, {"kind": "answer", "reason": "backendError"}, {"kind": "reset", "afterBytes": 0}):
            if failure:
                assert raw("POST", "/sandbox/faults", {"path": "/upload/", "verb": "PUT", "skip": 1, "act": failure})[0] == 204
            job = CLIENT.load_table_from_file(io.BytesIO(file), f"{PROJECT}.tour.pieces", job_config=config)
            job.result()
            assert (job.output_rows, job.input_file_bytes) == (30_000, len(file)), failure
        requests = raw("GET", "/sandbox/requests")[1]["requests"][before:]
        pieces = [request for request in requests if request["verb"] == "PUT"]
        assert len(pieces) >= 3 * (len(file) // (256 * 1024) + 1) and {request["method"] for request in pieces} == {"bigquery.jobs.insert"}
        assert sum(request["status"] == 503 for request in pieces) == 1
    finally:
        library._DEFAULT_CHUNKSIZE = whole
    assert rows(CLIENT.query("SELECT COUNT(*), MAX(id), SUM(id) FROM tour.pieces").result()) == [(30_000, 29_999, sum(range(30_000)))]


@step
def files_are_read_as_they_are_described():
    schema = [bigquery.SchemaField("id", "INT64"), bigquery.SchemaField("text", "STRING"), bigquery.SchemaField("paid", "BOOL")]

    def load(file, **options):
        options = {"source_format": "CSV", "schema": schema, "write_disposition": "WRITE_TRUNCATE"} | options
        job = CLIENT.load_table_from_file(io.BytesIO(file), "tour.read", size=len(file), job_config=bigquery.LoadJobConfig(**options))
        job.result()
        return rows(CLIENT.list_rows("tour.read")), job

    assert load(gzip.compress(b"id,text,paid\n1,a,y\n2,,\n"), skip_leading_rows=1)[0] == [(1, "a", True), (2, None, None)]
    tabs = {"field_delimiter": "\t", "quote_character": "'", "null_marker": "-", "allow_quoted_newlines": True}
    assert load(b"1\t'a\nb'\tno\n-\t-\t-\n", **tabs)[0] == [(1, "a\nb", False), (None, None, None)]
    assert load(b"1\n2,b,true,more\n", allow_jagged_rows=True, ignore_unknown_values=True)[0] == [(1, None, None), (2, "b", True)]
    found, job = load(b"1,a,true\nx,b,true\n", max_bad_records=1)
    assert found == [(1, "a", True)] and job.state == "DONE" and job.error_result is None and len(job.errors) == 1, job.errors
    fails(exceptions.BadRequest, "CSV table encountered too many errors", lambda: load(b"1,a,true\nx,b,true\n"))
    fails(exceptions.BadRequest, "Cannot load CSV data with a repeated field", lambda: load(b"1\n", schema=[bigquery.SchemaField("a", "INT64", "REPEATED")]))
    parquet = bigquery.LoadJobConfig(source_format="PARQUET")
    for size in (4, None):
        refused = lambda: CLIENT.load_table_from_file(io.BytesIO(b"PAR1"), "tour.read", size=size, job_config=parquet)
        error = fails(exceptions.GoogleAPICallError, "does not do this: load jobs of `PARQUET`", refused)
        assert error.code == 501, error
    error = fails(exceptions.GoogleAPICallError, "load jobs from `gs://bucket/file.csv`", lambda: CLIENT.load_table_from_uri("gs://bucket/file.csv", "tour.read"))
    assert error.code == 501, error


@step
def tables_are_copied():
    one, two = f"{PROJECT}.tour.t", f"{PROJECT}.tour.copied"
    count = CLIENT.get_table(one).num_rows
    job = CLIENT.copy_table(one, f"{PROJECT}.tour.copy")
    assert job.result().state == "DONE" and job.job_type == "copy"
    assert CLIENT.get_table("tour.copy").num_rows == count
    fails(exceptions.Conflict, "Already Exists: Table acme-prod:tour.copy", lambda: CLIENT.copy_table(one, f"{PROJECT}.tour.copy").result())
    append = bigquery.CopyJobConfig(write_disposition="WRITE_APPEND")
    CLIENT.copy_table([one, two], f"{PROJECT}.tour.copy", job_config=append).result()
    assert CLIENT.get_table("tour.copy").num_rows == 2 * count + CLIENT.get_table(two).num_rows
    fails(exceptions.NotFound, "Not found: Table", lambda: CLIENT.copy_table(f"{PROJECT}.tour.none", f"{PROJECT}.tour.copy2").result())
    snapshot = bigquery.CopyJobConfig(operation_type="SNAPSHOT")
    CLIENT.copy_table(one, f"{PROJECT}.tour.s", job_config=snapshot).result()
    taken = CLIENT.get_table("tour.s")
    assert (taken.table_type, taken.num_rows) == ("SNAPSHOT", count), taken
    restore = bigquery.CopyJobConfig(operation_type="RESTORE")
    fails(exceptions.GoogleAPICallError, "copy jobs of the operation type `RESTORE`", lambda: CLIENT.copy_table(one, f"{PROJECT}.tour.r", job_config=restore))
    fails(exceptions.GoogleAPICallError, "extract jobs", lambda: CLIENT.extract_table(one, "gs://bucket/file.csv", job_id="tour-extract").result())
    extract = CLIENT.get_job("tour-extract")
    assert (extract.job_type, extract.state, extract.error_result["reason"]) == ("extract", "DONE", "notImplemented")
    kinds = {job.job_type for job in CLIENT.list_jobs(max_results=100)}
    assert {"copy", "extract", "load", "query"} <= kinds, kinds


@step
def everything_is_removed():
    fails(exceptions.BadRequest, "still in use", lambda: CLIENT.delete_dataset("tour"))
    CLIENT.delete_table("tour.things")
    CLIENT.delete_table("tour.things", not_found_ok=True)
    CLIENT.delete_dataset("tour", delete_contents=True)
    fails(exceptions.NotFound, "Not found: Dataset acme-prod:tour", lambda: CLIENT.get_dataset("tour"))


@step
def every_request_was_logged():
    status, answer = raw("GET", "/sandbox/requests")
    methods = {request["method"] for request in answer["requests"]}
    expected = {"bigquery.jobs.insert", "bigquery.jobs.query", "bigquery.tabledata.insertAll", "bigquery.jobs.getQueryResults", "bigquery.jobs.cancel"}
    assert expected <= methods, methods
    assert TOKEN not in json.dumps(answer)


def main():
    for number, function in enumerate(STEPS, 1):
        started = time.time()
        function()
        print(f"python {number:2}/{len(STEPS)} {(time.time() - started) * 1000:6.0f} ms  {function.__name__.replace('_', ' ')}", flush=True)


main()
