"""SQLAlchemy and pandas-gbq, led by the environment alone. usage: libraries.py CLIENT CALLER

CALLER is whose credentials those are: it is written down, not told to anybody.
"""

import sys

from steps import asked, run, step

CLIENT, CALLER = sys.argv[1:3]
PROJECT = "acme-prod"


def sqlalchemy_steps():
    import sqlalchemy

    engine = sqlalchemy.create_engine(f"bigquery://{PROJECT}/clinic")

    @step
    def asks_with_parameters():
        asked(CALLER, "SELECT id, ward FROM patients WHERE id < @`most` ORDER BY id", [("most", "3")])
        with engine.connect() as connection:
            answer = connection.execute(sqlalchemy.text("SELECT id, ward FROM patients WHERE id < :most ORDER BY id"), {"most": 3})
            assert [tuple(row) for row in answer] == [(1, "D"), (2, "C")]

    @step
    def is_shown_mistakes():
        asked(CALLER, "SELECT nope FROM patients", ends="meaningless")
        with engine.connect() as connection:
            try:
                connection.execute(sqlalchemy.text("SELECT nope FROM patients")).fetchall()
            except sqlalchemy.exc.DatabaseError as error:
                assert "nope" in str(error), error
            else:
                raise AssertionError("a column that is not there was read")

    @step
    def reflects():
        inspector = sqlalchemy.inspect(engine)
        assert "patients" in inspector.get_table_names("clinic")
        assert inspector.has_table("patients") and not inspector.has_table("none")
        columns = sqlalchemy.Table("visits", sqlalchemy.MetaData(), autoload_with=engine).columns
        assert columns.keys()[:2] == ["id", "patient_id"], columns.keys()
        assert isinstance(columns["id"].type, sqlalchemy.Integer), columns["id"].type

    @step
    def reflects_views():
        assert "v_patients" in sqlalchemy.inspect(engine).get_view_names("clinic")

    @step
    def builds_statements():
        visits = sqlalchemy.Table("visits", sqlalchemy.MetaData(), sqlalchemy.Column("id"), sqlalchemy.Column("patient_id"))
        wanted = sqlalchemy.select(visits.c.patient_id).where(visits.c.id == 1)
        asked(CALLER, "SELECT `visits`.`patient_id` \nFROM `visits` \nWHERE `visits`.`id` = @`id_1`", [("id_1", "1")])
        with engine.connect() as connection:
            assert [tuple(row) for row in connection.execute(wanted)] == [(20,)]


def sqlalchemy_refusals():
    import sqlalchemy

    @step
    def is_refused():
        asked(CALLER, "SELECT id FROM patients WHERE ssn > '9'", ends="refused")
        with sqlalchemy.create_engine(f"bigquery://{PROJECT}/clinic").connect() as connection:
            try:
                connection.execute(sqlalchemy.text("SELECT id FROM patients WHERE ssn > '9'")).fetchall()
            except sqlalchemy.exc.DatabaseError as error:
                assert "Access Denied" in str(error) and "ssn" in str(error), error
            else:
                raise AssertionError("a labelled column came out")


def pandas_gbq_steps():
    import pandas
    import pandas_gbq

    @step
    def reads():
        sql = "SELECT id, ward FROM clinic.patients ORDER BY id LIMIT 2"
        asked(CALLER, sql)
        frame = pandas_gbq.read_gbq(sql, project_id=PROJECT, use_bqstorage_api=False)
        assert frame.values.tolist() == [[1, "D"], [2, "C"]], frame

    @step
    def writes_and_appends():
        frame = pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]})
        for mode in ("replace", "append"):
            asked(CALLER, loads="staging.frame")
            pandas_gbq.to_gbq(frame, "staging.frame", project_id=PROJECT, if_exists=mode, api_method="load_csv")
        sql = "SELECT a, b FROM staging.frame ORDER BY a"
        asked(CALLER, sql)
        back = pandas_gbq.read_gbq(sql, project_id=PROJECT, use_bqstorage_api=False)
        assert back.a.tolist() == [1, 1, 2, 2] and back.b.tolist() == ["x", "x", "y", "y"], back


def pandas_gbq_refusals():
    import pandas_gbq

    @step
    def is_refused():
        sql = "CREATE TABLE clinic.frames AS SELECT 1 AS a"
        asked(CALLER, sql, ends="refused")
        try:
            pandas_gbq.read_gbq(sql, project_id=PROJECT, use_bqstorage_api=False)
        except pandas_gbq.gbq.GenericGBQException as error:
            assert "Access Denied" in str(error) and "no rule permits it" in str(error), error
        else:
            raise AssertionError("a table was made")


STEPS_OF = {"sqlalchemy": [sqlalchemy_steps, sqlalchemy_refusals], "pandas-gbq": [pandas_gbq_steps, pandas_gbq_refusals]}
for part in STEPS_OF[CLIENT]:
    part()
run(CLIENT)
