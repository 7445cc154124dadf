"""Through the gateway by the universe domain: nothing here says where it is. usage: door_tls.py CLIENT CALLER DEMO_FOLDER PROGRAM

CALLER is whose credentials those are: it is written down, not told to anybody.
"""

import io
import sys
import time

from google.api_core import exceptions
from google.cloud import bigquery

import record
from steps import asked, fails, load, refused, rows, run, step

CLIENT, CALLER, FOLDER, PROGRAM = sys.argv[1:5]
WARDS = "SELECT id, ward FROM clinic.patients ORDER BY id LIMIT 2"
MANY = "SELECT id FROM bench.events LIMIT 30000"
PATIENTS = "projects/acme-prod/datasets/clinic/tables/patients"
SCHEMA = [bigquery.SchemaField("id", "INT64"), bigquery.SchemaField("name", "STRING")]
SECONDS_MAX = 60


def python():
    from google.cloud import bigquery_storage_v1
    from google.cloud.bigquery_storage_v1 import types

    client = bigquery.Client()

    @step
    def it_is_led_by_the_domain():
        domain = load(FOLDER, "demo.json")["gateway"]["universe_domain"]
        assert client._connection.API_BASE_URL == f"https://bigquery.{domain}", client._connection.API_BASE_URL

    @step
    def a_query_is_answered_and_another_is_refused():
        asked(CALLER, WARDS)
        assert rows(client.query_and_wait(WARDS)) == [(1, "D"), (2, "C")]
        asked(CALLER, "SELECT id FROM clinic.patients WHERE ssn > '9'", ends="refused")
        refused(exceptions.Forbidden, "ssn", lambda: client.query_and_wait("SELECT id FROM clinic.patients WHERE ssn > '9'"))

    @step
    def data_frames_come_over_the_storage_api():
        asked(CALLER, MANY)
        job = client.query(MANY)
        frame = job.to_dataframe()
        assert len(frame) == 30000, len(frame)
        table = job.to_arrow()
        assert sorted(table.column("id").to_pylist()) == sorted(frame["id"].tolist())
        methods = [request["api"] for request in record.Gateway(FOLDER, PROGRAM).requests(0)]
        for name in ("CreateReadSession", "ReadRows"):
            assert methods.count(f"google.cloud.bigquery.storage.v1.BigQueryRead.{name}") >= 2, methods

    @step
    def tables_come_over_the_storage_api_with_masks():
        reader = bigquery_storage_v1.BigQueryReadClient()
        for form in (types.DataFormat.ARROW, types.DataFormat.AVRO):
            options = types.ReadSession.TableReadOptions(selected_fields=["ssn", "id"], row_restriction="id <= 7")
            wanted = types.ReadSession(table=PATIENTS, data_format=form, read_options=options)
            session = reader.create_read_session(parent="projects/acme-prod", read_session=wanted, max_stream_count=1)
            found = [(str(row["id"]), str(row["ssn"])) for row in reader.read_rows(session.streams[0].name).rows(session)]
            assert len(found) == 7 and all(ssn.startswith("XXXXX") and len(ssn) == 9 for _, ssn in found), found

    @step
    def a_restriction_on_a_labelled_column_is_refused():
        reader = bigquery_storage_v1.BigQueryReadClient()
        options = types.ReadSession.TableReadOptions(selected_fields=["id"], row_restriction="ssn > '9'")
        wanted = types.ReadSession(table=PATIENTS, data_format=types.DataFormat.ARROW, read_options=options)
        refused(exceptions.PermissionDenied, "ssn", lambda: reader.create_read_session(parent="projects/acme-prod", read_session=wanted))

    @step
    def data_frames_come_over_rest():
        asked(CALLER, MANY)
        assert len(client.query(MANY).to_dataframe(create_bqstorage_client=False)) == 30000


def issued():
    client = bigquery.Client()

    @step
    def a_file_that_the_gateway_issued_is_taken():
        asked(CALLER, WARDS)
        deadline = time.monotonic() + SECONDS_MAX
        while True:
            try:
                assert rows(client.query_and_wait(WARDS)) == [(1, "D"), (2, "C")]
                break
            except exceptions.Unauthorized:
                # A running gateway looks again every second.
                assert time.monotonic() < deadline, "a file that was issued is not taken up"
                time.sleep(0.5)


def loads():
    from google.cloud import bigquery_storage_v1
    from google.cloud.bigquery_storage_v1 import types

    # It needs the library that the others here do without.
    import rows as written

    client, table = bigquery.Client(), "acme-prod.staging.over_tls"
    path = "projects/acme-prod/datasets/staging/tables/over_tls"

    @step
    def a_file_is_loaded():
        asked(CALLER, loads="staging.over_tls")
        config = bigquery.LoadJobConfig(source_format="CSV", schema=SCHEMA, write_disposition="WRITE_TRUNCATE")
        text = "".join(f"{number},n{number}\n" for number in range(200_000))
        assert client.load_table_from_file(io.BytesIO(text.encode()), table, job_config=config).result().output_rows == 200_000

    @step
    def rows_are_loaded():
        asked(CALLER, loads="staging.over_tls")
        config = bigquery.LoadJobConfig(schema=SCHEMA)
        assert client.load_table_from_json([{"id": 1, "name": "a"}], table, job_config=config).result().output_rows == 1

    @step
    def rows_are_appended_over_the_storage_api():
        before = client.get_table(table).num_rows
        writer = bigquery_storage_v1.BigQueryWriteClient()
        stream = written.Stream(writer, f"{path}/_default")
        futures = [stream.send(range(number * 100, number * 100 + 100)) for number in range(20)]
        assert all(not future.result().error.code for future in futures)
        stream.close()
        assert client.get_table(table).num_rows == before + 2000
        names = [written.create(writer, path, types.WriteStream.Type.PENDING) for _ in range(2)]
        for name in names:
            stream = written.Stream(writer, name)
            assert stream.send(range(7), 0).result().append_result.offset == 0
            fails(exceptions.AlreadyExists, "offset", lambda: stream.send(range(7), 0).result())
            stream.close()
        assert client.get_table(table).num_rows == before + 2000
        written.commit(writer, path, names)
        assert client.get_table(table).num_rows == before + 2014
        methods = [request["api"] for request in record.Gateway(FOLDER, PROGRAM).requests(0)]
        assert methods.count("google.cloud.bigquery.storage.v1.BigQueryWrite.AppendRows") >= 3, methods

    @step
    def rows_for_another_dataset_are_refused():
        writer = bigquery_storage_v1.BigQueryWriteClient()
        kind = types.WriteStream(type_=types.WriteStream.Type.COMMITTED)
        parent = "projects/acme-prod/datasets/shop/tables/orders"
        refused(exceptions.PermissionDenied, "insert", lambda: writer.create_write_stream(parent=parent, write_stream=kind))
        stream = written.Stream(writer, f"{parent}/_default")
        # Where it is refused at once, the library says that it could not open it, and keeps why to itself.
        fails((exceptions.PermissionDenied, exceptions.Unknown), "", lambda: stream.send(range(1)).result())


{"python": python, "issued": issued, "load": loads}[CLIENT]()
run(CLIENT)
