"""Through the gateway by the universe domain: nothing here says where it is. usage: door_tls.py CLIENT DEMO_FOLDER PROGRAM"""

import io
import json
import os
import subprocess
import sys
import time

CLIENT, FOLDER, PROGRAM = sys.argv[1:4]
with open(os.path.join(FOLDER, "demo.json"), encoding="utf-8") as file:
    DEMO = json.load(file)
WARDS = "SELECT id, ward FROM clinic.patients ORDER BY id LIMIT 2"
MANY = "SELECT id FROM bench.events LIMIT 30000"


def said(text):
    print(f"tls, {CLIENT}  {text}", flush=True)


def requests():
    keys = os.path.join(FOLDER, "ledger-keys")
    shown = subprocess.run([PROGRAM, "requests", DEMO["ledger_dir"], "--keys", keys, "--json"], check=True, capture_output=True, text=True)
    return [json.loads(line) for line in shown.stdout.splitlines()]


def python():
    from google.api_core import exceptions
    from google.cloud import bigquery

    client = bigquery.Client()
    assert client._connection.API_BASE_URL == f"https://bigquery.{DEMO['gateway']['universe_domain']}", client._connection.API_BASE_URL
    assert [tuple(row) for row in client.query_and_wait(WARDS)] == [(1, "D"), (2, "C")]
    ((masked,),) = [tuple(row) for row in client.query_and_wait("SELECT MAX(ssn) FROM clinic.patients")]
    assert masked.startswith("XXXXX") and len(masked) == 9, masked
    try:
        client.query_and_wait("SELECT id FROM clinic.patients WHERE ssn LIKE '9%'")
    except exceptions.Forbidden as error:
        assert "Access Denied" in str(error) and "national_id" in str(error), error
    else:
        raise AssertionError("a labelled column decided rows")
    said("a query is answered, with masks, and another is refused")
    try:
        client.query(MANY).to_dataframe()
    except exceptions.MethodNotImplemented as error:
        assert "does not serve the Storage API" in str(error) and "Quote `" in str(error), error
        reference = str(error).split("Quote `")[1].split("`")[0]
    else:
        raise AssertionError("the Storage API answered")
    assert len(client.query(MANY).to_dataframe(create_bqstorage_client=False)) == 30000
    said("data frames over the Storage API are refused in its own form, and come over REST")
    assert any(reference in json.dumps(request) for request in requests()), f"`{reference}` is not on record"
    said("the refusal is on record")


def issued():
    from google.api_core import exceptions
    from google.cloud import bigquery

    client, deadline = bigquery.Client(), time.monotonic() + 60
    while True:
        try:
            assert [tuple(row) for row in client.query_and_wait(WARDS)] == [(1, "D"), (2, "C")]
            break
        except exceptions.Unauthorized:
            # A running gateway looks again every second.
            assert time.monotonic() < deadline, "a file that was issued is not taken up"
            time.sleep(0.5)
    said("a file that the gateway issued is taken")


def load():
    from google.cloud import bigquery

    client = bigquery.Client()
    schema = [bigquery.SchemaField("id", "INT64"), bigquery.SchemaField("name", "STRING")]
    config = bigquery.LoadJobConfig(source_format="CSV", schema=schema, write_disposition="WRITE_TRUNCATE")
    text = "".join(f"{number},n{number}\n" for number in range(200_000))
    assert client.load_table_from_file(io.BytesIO(text.encode()), "acme-prod.staging.over_tls", job_config=config).result().output_rows == 200_000
    config = bigquery.LoadJobConfig(schema=schema)
    assert client.load_table_from_json([{"id": 1, "name": "a"}], "acme-prod.staging.over_tls", job_config=config).result().output_rows == 1
    said("a file and rows are loaded")


def sqlalchemy():
    import sqlalchemy

    engine = sqlalchemy.create_engine("bigquery://acme-prod/clinic")
    with engine.connect() as connection:
        asked = sqlalchemy.text("SELECT id, ward FROM patients WHERE id < :most ORDER BY id")
        assert [tuple(row) for row in connection.execute(asked, {"most": 3})] == [(1, "D"), (2, "C")]
    assert "patients" in sqlalchemy.inspect(engine).get_table_names("clinic")
    said("asks and reflects")


def pandas_gbq():
    import pandas_gbq

    frame = pandas_gbq.read_gbq(WARDS, project_id=DEMO["project"], use_bqstorage_api=False)
    assert frame.values.tolist() == [[1, "D"], [2, "C"]], frame
    said("reads")


{"python": python, "issued": issued, "load": load, "sqlalchemy": sqlalchemy, "pandas_gbq": pandas_gbq}[CLIENT]()
