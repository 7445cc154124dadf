"""The tour of `sluice demo`: the same statements direct and through the gateway, with Google's own Python client.

Arguments: the folder of the demo, the program `sluice`.
"""

import json
import os
import subprocess
import sys
import time

FOLDER, PROGRAM = sys.argv[1], sys.argv[2]
with open(os.path.join(FOLDER, "demo.json"), encoding="utf-8") as file:
    DEMO = json.load(file)

STATEMENTS = [
    ("report-job", "SELECT id, name, ward FROM clinic.patients ORDER BY id LIMIT 2", "an honest question"),
    ("report-job", "SELECT id, CONCAT('no. ', ssn) AS innocent FROM clinic.patients LIMIT 2", "a social security number under another name"),
    ("report-job", "SELECT COUNT(*) AS n FROM clinic.patients WHERE ssn LIKE '1%'", "a labelled column that decides the rows"),
    ("analyst", "SELECT diagnosis, COUNT(*) AS n FROM clinic.visits GROUP BY diagnosis ORDER BY n DESC LIMIT 2", "cleared for diagnoses"),
    ("support-agent", "DROP TABLE clinic.visits", "an agent that means well"),
    ("stranger", "SELECT 1", "a valid token, and no rights"),
]


def main():
    try:
        from google.auth import identity_pool
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import bigquery
        import google.oauth2.credentials
    except ImportError:
        print("google-cloud-bigquery is not installed for this Python, so there is no tour.\n")
        paste()
        return

    def client(endpoint, credentials):
        return bigquery.Client(
            project=DEMO["project"], credentials=credentials, client_options={"api_endpoint": endpoint}
        )

    token = DEMO["warehouse"]["token"]
    direct = google.oauth2.credentials.Credentials(token) if token else AnonymousCredentials()
    warehouse = client(DEMO["warehouse"]["rest"], direct)
    gateway = DEMO["gateway"]["plain"]
    print("The same statements, once direct with the warehouse's own credential and once through the gateway.\n")
    for caller, sql, what in STATEMENTS:
        credentials = identity_pool.Credentials.from_file(DEMO["callers"][caller]["credentials"])
        print(f"> {sql}\n  {what}")
        if not sql.startswith("DROP"):
            print(f"  direct                  {answer(warehouse, sql)}")
        print(f"  as {caller:<20} {answer(client(gateway, credentials), sql)}\n")
    evidence()
    paste()


def evidence():
    """What is on record of it, and an auditor's look at the whole."""
    keys = os.path.join(FOLDER, "ledger-keys")
    print("What the ledger says of it, the newest last:\n", flush=True)
    subprocess.run([PROGRAM, "requests", DEMO["ledger_dir"], "--keys", keys, "--max", "6"], check=True)
    # What is written this second is in no checkpoint yet.
    time.sleep(2)
    print("\nWhat was masked, and what somebody saw clear by right:\n", flush=True)
    subprocess.run([PROGRAM, "masking", "report", DEMO["ledger_dir"], "--keys", keys], check=True)
    verifier = os.path.join(os.path.dirname(PROGRAM), "sluice-verify")
    if not os.path.exists(verifier):
        print("\nsluice-verify is not beside sluice, so nobody has verified that.\n", flush=True)
        return
    trust = os.path.join(FOLDER, "auditor.trust")
    with open(trust, "w", encoding="utf-8") as file:
        file.write(f"log {DEMO['ledger_key']}\nquorum none\n")
    print("\nAnd an auditor, with nothing but the ledger's public key:\n", flush=True)
    subprocess.run([verifier, "ledger", DEMO["ledger_dir"], "--trust", trust], check=True)
    print(flush=True)


def answer(client, sql):
    started = time.monotonic()
    try:
        rows = [dict(row.items()) for row in client.query_and_wait(sql)]
    except Exception as error:  # The tour shows whatever the client shows.
        text = getattr(error, "message", None) or str(error)
        return "refused: " + " ".join(text.split())
    return f"{rows} ({(time.monotonic() - started) * 1000:.0f} ms)"


def paste():
    gateway, caller = DEMO["gateway"], DEMO["callers"]["report-job"]
    print(f"""It stays up until Ctrl-C. For Python, dbt, SQLAlchemy, Node:

  export BIGQUERY_EMULATOR_HOST={gateway["plain"]} GOOGLE_CLOUD_PROJECT={DEMO["project"]}
  export GOOGLE_APPLICATION_CREDENTIALS={caller["credentials"]}
  export grpc_proxy=http://127.0.0.1:9 no_grpc_proxy=localhost

The last line keeps Python's Storage API from dialling Google; `{PROGRAM} client-config --help` has more.

For bq:

  export CLOUDSDK_API_ENDPOINT_OVERRIDES_BIGQUERY={gateway["plain"]}/ CLOUDSDK_CORE_PROJECT={DEMO["project"]}
  export CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE={caller["credentials"]}
  export CLOUDSDK_AUTH_TOKEN_INTROSPECTION_ENDPOINT={gateway["plain"]}/v1/introspect

The evidence:

  {PROGRAM} requests {DEMO["ledger_dir"]} --keys {os.path.join(FOLDER, "ledger-keys")}

What the gateway says of itself, a line of JSON for each event:

  tail -f {os.path.join(FOLDER, "events.jsonl")}
""", flush=True)


main()
