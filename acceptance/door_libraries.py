"""Through the gateway with SQLAlchemy, pandas-gbq and data frames. usage: door_libraries.py DEMO_FOLDER

One caller for each run of the program: pandas-gbq keeps its credentials.
"""

import json
import os
import subprocess
import sys

FOLDER = sys.argv[1]
with open(os.path.join(FOLDER, "demo.json"), encoding="utf-8") as file:
    DEMO = json.load(file)


def configure(caller):
    os.environ["BIGQUERY_EMULATOR_HOST"] = DEMO["gateway"]["plain"]
    os.environ["GOOGLE_CLOUD_PROJECT"] = DEMO["project"]
    os.environ["GOOGLE_APPLICATION_CREDENTIALS"] = DEMO["callers"][caller]["credentials"]


def said(text):
    print(f"door, libraries  {text}", flush=True)


def as_reader():
    import pandas_gbq
    import sqlalchemy

    engine = sqlalchemy.create_engine("bigquery://acme-prod/clinic")
    with engine.connect() as connection:
        answer = connection.execute(sqlalchemy.text("SELECT id, ward FROM patients WHERE id < :most ORDER BY id"), {"most": 3}).fetchall()
        assert [tuple(row) for row in answer] == [(1, "D"), (2, "C")], answer
        ((masked,),) = connection.execute(sqlalchemy.text("SELECT MIN(ssn) FROM patients")).fetchall()
        assert masked.startswith("XXXXX") and len(masked) == 9, masked
        try:
            connection.execute(sqlalchemy.text("SELECT id FROM patients WHERE ssn LIKE '9%'")).fetchall()
        except sqlalchemy.exc.DatabaseError as error:
            assert "Access Denied" in str(error) and "national_id" in str(error), error
        else:
            raise AssertionError("a labelled column decided rows")
    said("sqlalchemy asks, with parameters, is told masked values, and is refused")
    inspector = sqlalchemy.inspect(engine)
    assert "patients" in inspector.get_table_names("clinic") and "v_patients" in inspector.get_view_names("clinic")
    assert inspector.has_table("patients") and not inspector.has_table("none")
    columns = sqlalchemy.Table("visits", sqlalchemy.MetaData(), autoload_with=engine).columns.keys()
    assert columns[:2] == ["id", "patient_id"], columns
    said("sqlalchemy reflects")
    sql = "SELECT id, ward FROM clinic.patients ORDER BY id LIMIT 2"
    frame = pandas_gbq.read_gbq(sql, project_id=DEMO["project"], use_bqstorage_api=False)
    assert frame.values.tolist() == [[1, "D"], [2, "C"]], frame
    said("pandas-gbq reads")


def as_writer():
    import pandas
    import pandas_gbq

    frame = pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    for mode in ("replace", "append"):
        pandas_gbq.to_gbq(frame, "staging.frame", project_id=DEMO["project"], if_exists=mode, api_method="load_csv")
    back = pandas_gbq.read_gbq("SELECT a, b FROM staging.frame ORDER BY a", project_id=DEMO["project"], use_bqstorage_api=False)
    assert back.a.tolist() == [1, 1, 2, 2], back
    said("pandas-gbq writes and appends")


if len(sys.argv) > 2:
    configure({"reader": "report-job", "writer": "etl-nightly"}[sys.argv[2]])
    {"reader": as_reader, "writer": as_writer}[sys.argv[2]]()
else:
    for role in ("reader", "writer"):
        subprocess.run([sys.executable, "-W", "ignore", __file__, FOLDER, role], check=True)
