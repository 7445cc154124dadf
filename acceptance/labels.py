"""What reaches a reader of tables that dbt made from labelled columns. usage: labels.py DEMO_FOLDER LISTED

LISTED is what `sluice labels list` says.
"""

import base64
import json
import sys
import urllib.request

from google.api_core import exceptions
from google.cloud import bigquery

from steps import load, refused, rows, run, step

FOLDER, LISTED = sys.argv[1:3]
# By each column that must have it: the label that it came with.
LABELS = {
    "people.code": "national_id",
    "people.mail": "contact",
    "report.numbered": "national_id, computed",
    "report.opening": "contact, computed",
}
client = bigquery.Client()


def direct(statement):
    """Past the gateway: what the warehouse holds."""
    warehouse = load(FOLDER, "demo.json")["warehouse"]
    body = json.dumps({"query": statement, "useLegacySql": False}).encode()
    headers = {"Authorization": f"Bearer {warehouse['token']}", "Content-Type": "application/json"}
    asked = urllib.request.Request(f"{warehouse['rest']}/bigquery/v2/projects/acme-prod/queries", body, headers)
    with urllib.request.urlopen(asked) as answer:
        return [tuple(cell["v"] for cell in row["f"]) for row in json.load(answer)["rows"]]


@step
def each_column_has_the_label_that_it_came_with():
    listed = open(LISTED, encoding="utf-8").read()
    for column, label in LABELS.items():
        assert f"acme-prod.staging.{column}  {label}  since " in listed, (column, listed)
    for column in ("people.id", "people.ward", "report.id", "report.times"):
        assert f"acme-prod.staging.{column}  " not in listed, (column, listed)


@step
def the_first_model_is_masked_as_its_source():
    found = rows(client.query_and_wait("SELECT id, code, mail, ward FROM staging.people ORDER BY id"))
    clear = direct("SELECT id, code, mail, ward FROM staging.people ORDER BY id")
    assert len(found) == len(clear) == 40
    for (ident, code, mail, ward), (other, real, address, place) in zip(found, clear):
        assert (ident, ward) == (int(other), place)
        assert code == "XXXXX" + real[-4:], code
        assert address is None or address not in (mail or ""), mail


@step
def the_view_and_the_last_model_show_nothing_of_it():
    for name, computed in (("visitors", "numbered"), ("report", "numbered"), ("report", "opening")):
        statement = f"SELECT id, times, {computed} FROM staging.{name} ORDER BY id"
        found, clear = rows(client.query_and_wait(statement)), direct(statement)
        assert [row[:2] for row in found] == [(int(row[0]), int(row[1])) for row in clear]
        shown, real = {row[2] for row in found}, {row[2] for row in clear if row[2]}
        assert len(found) > 20 and real and not shown & real, (name, shown & real)
        whole = " ".join(str(value) for value in shown)
        for value in real:
            hidden = (value, value[::-1], value.lower(), base64.b64encode(value.encode()).decode())
            assert not any(form in whole for form in hidden if len(value) > 4), (name, value)


@step
def it_may_not_decide_either():
    for column in ("numbered", "opening"):
        statement = f"SELECT COUNT(*) FROM staging.report WHERE {column} > 'M'"
        refused(exceptions.Forbidden, column, lambda: client.query_and_wait(statement))


run("labels")
