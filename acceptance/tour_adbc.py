"""The ADBC driver for BigQuery, which reads rows over the Storage API alone. usage: tour_adbc.py CALLER DEMO_FOLDER PROGRAM"""

import sys

from adbc_driver_bigquery import DatabaseOptions, dbapi

import record
from steps import asked, run, step

CALLER, FOLDER, PROGRAM = sys.argv[1:4]
WARDS = "SELECT id, ward FROM clinic.patients ORDER BY id LIMIT 2"


def told(statement):
    """What the driver says of it; it must not succeed."""
    with dbapi.connect({DatabaseOptions.PROJECT_ID.value: "acme-prod"}) as connection, connection.cursor() as cursor:
        try:
            cursor.execute(statement)
            found = cursor.fetchall()
        except dbapi.Error as error:
            return str(error)
    raise AssertionError(f"{statement}: {found}")


@step
def mistakes_are_shown():
    asked(CALLER, "SELECT nope FROM clinic.patients", ends="meaningless")
    assert "Unrecognized name: nope" in told("SELECT nope FROM clinic.patients")


@step
def labelled_columns_decide_nothing():
    asked(CALLER, "SELECT id FROM clinic.patients WHERE ssn > '9'", ends="refused")
    said = told("SELECT id FROM clinic.patients WHERE ssn > '9'")
    assert "Access Denied" in said and "ssn" in said and "Quote `" in said, said


@step
def rows_come_over_the_storage_api():
    asked(CALLER, WARDS)
    with dbapi.connect({DatabaseOptions.PROJECT_ID.value: "acme-prod"}) as connection, connection.cursor() as cursor:
        cursor.execute(WARDS)
        found = cursor.fetchall()
    assert found == [(1, "D"), (2, "C")], found
    methods = {request["api"] for request in record.Gateway(FOLDER, PROGRAM).requests(0)}
    assert "google.cloud.bigquery.storage.v1.BigQueryRead.ReadRows" in methods, methods


run("adbc")
