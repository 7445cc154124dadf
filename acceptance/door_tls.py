"""Through the gateway by the universe domain: nothing here says where it is. usage: door_tls.py CLIENT CALLER DEMO_FOLDER PROGRAM

CALLER is whose credentials those are: it is written down, not told to anybody.
"""

import io
import json
import sys
import time

from google.api_core import exceptions
from google.cloud import bigquery

import record
from steps import asked, load, refused, rows, run, step

CLIENT, CALLER, FOLDER, PROGRAM = sys.argv[1:5]
WARDS = "SELECT id, ward FROM clinic.patients ORDER BY id LIMIT 2"
MANY = "SELECT id FROM bench.events LIMIT 30000"
SCHEMA = [bigquery.SchemaField("id", "INT64"), bigquery.SchemaField("name", "STRING")]
SECONDS_MAX = 60


def python():
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
    def data_frames_over_the_storage_api_are_refused_in_its_own_form():
        asked(CALLER, MANY)
        try:
            client.query(MANY).to_dataframe()
        except exceptions.MethodNotImplemented as error:
            assert "does not serve the Storage API" in str(error) and "Quote `" in str(error), error
            reference = str(error).split("Quote `")[1].split("`")[0]
        else:
            raise AssertionError("the Storage API answered")
        requests = record.Gateway(FOLDER, PROGRAM).requests(0)
        assert any(reference in json.dumps(request) for request in requests), f"`{reference}` is not on record"

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
    client, table = bigquery.Client(), "acme-prod.staging.over_tls"

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


{"python": python, "issued": issued, "load": loads}[CLIENT]()
run(CLIENT)
