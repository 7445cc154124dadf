"""Compares what clients asked with what the gateway put on record.
usage: record.py [--of-another-warehouse] DEMO_FOLDER PROGRAM SINCE_MILLISECONDS CLIENT=ASKED_FILE...

A client's requests are those that bear its name as user agent and began since then. Each statement that it asked has to be there once and no
other one, with the same text and parameters, and so have loads and copies; what else it said it asked has to be there. Each of its requests
has to bear the caller with the claims of the caller's own token, a decision, and the digest of the set that lies in the policy folder. For each
job the warehouse is asked directly: it has to know it with that text and as many bytes as the record says. Another warehouse than ours ends
statements otherwise and counts no bytes: in front of it all the rest is compared.
"""

import base64
import collections
import json
import subprocess
import sys
import time
import urllib.request

from steps import load

# What each client calls itself. `bq` and Node send files by another library.
AGENTS = {
    "adbc": ("gcloud-golang-bigquery",),
    "bq": ("google-cloud-sdk", "Python-httplib2"),
    "dbt": ("dbt-bigquery",),
    "node": ("gcloud-node-bigquery", "node-fetch"),
    "pandas-gbq": ("pandas-",),
    "python": ("gl-python",),
    "sqlalchemy": ("sqlalchemy",),
}
# Fields of a run, by the claims of GitHub's tokens.
RUN = {
    "actor": "actor",
    "actor_id": "actor_id",
    "attempt": "run_attempt",
    "commit": "sha",
    "event": "event_name",
    "owner_id": "repository_owner_id",
    "pipeline": "job_workflow_ref",
    "protected": "ref_protected",
    "reference": "ref",
    "repository": "repository",
    "repository_id": "repository_id",
    "run": "run_id",
    "runner": "runner_environment",
    "workflow": "workflow_ref",
    "workflow_commit": "workflow_sha",
}
FACTS = {"pipeline_commit": "job_workflow_sha", "ref_type": "ref_type", "run_number": "run_number", "visibility": "repository_visibility"}
SECONDS_MAX = 30


class Gateway:
    """Its ledger, its callers, its policy folder, and the warehouse behind it."""

    def __init__(self, folder, program, is_ours=True):
        self.folder, self.program, self.is_ours = folder, program, is_ours
        self.demo = load(folder, "demo.json")
        checked = subprocess.run([program, "policy", "check", self.demo["policy_dir"]], check=True, capture_output=True, text=True)
        self.policy = checked.stdout.split()[-1]
        assert self.policy.startswith("sha256:"), checked.stdout
        self.claims_of = {}
        with open(f"{folder}/sluice.toml", encoding="utf-8") as file:
            self.issuer = file.read().split("[identity.access]")[1].split('issuer = "')[1].split('"')[0]

    def requests(self, since_ms):
        """All that began since then; also one that still goes on."""
        command = [self.program, "requests", self.demo["ledger_dir"], "--keys", f"{self.folder}/ledger-keys", "--max", "100000", "--json"]
        said = subprocess.run(command, check=True, capture_output=True, text=True)
        return [request for request in map(json.loads, said.stdout.splitlines()) if request["time_ms"] >= since_ms]

    def known(self, caller):
        """Kind and groups. A file that the gateway issued stands for a service."""
        return {"kind": "service", "groups": ["staff"]} if caller.endswith(".json") else self.demo["callers"][caller]

    def claims(self, caller):
        """What the issuer signs for it, from the place that its credentials file names. A file that the gateway issued is a caller by its path."""
        if caller.endswith(".json"):
            return {"iss": self.issuer, "sub": load(caller)["private_key_id"]}
        if caller not in self.claims_of:
            source = load(self.demo["callers"][caller]["credentials"])["credential_source"]
            with urllib.request.urlopen(urllib.request.Request(source["url"], headers=source["headers"])) as answer:
                token = json.load(answer)[source["format"]["subject_token_field_name"]]
            part = token.split(".")[1]
            self.claims_of[caller] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        return self.claims_of[caller]

    def warehouse(self, path, body=None):
        headers = {"Content-Type": "application/json"}
        if self.demo["warehouse"]["token"]:
            headers["Authorization"] = f"Bearer {self.demo['warehouse']['token']}"
        url = f"{self.demo['warehouse']['rest']}/bigquery/v2/projects/{self.demo['project']}{path}"
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(url, data=data, headers=headers)) as answer:
            return json.load(answer)


def sections(request, name):
    return [record["sections"][name] for record in request["records"] if name in record["sections"]]


def same(what, found, expected, request):
    assert found == expected, f"{what} is {found!r} and not {expected!r} in request {request['request']} ({request['api']})"


def check_caller(gateway, caller, request):
    identities = sections(request, "identity")
    assert identities, f"nobody is named in request {request['request']}"
    known, claims = gateway.known(caller), gateway.claims(caller)
    for identity in identities:
        same("the issuer", identity["issuer"], claims["iss"], request)
        same("the kind", identity["kind"], known["kind"], request)
        same("the groups", sorted(identity.get("groups", [])), sorted(known["groups"]), request)
        actor = claims.get("act", {})
        pipeline = f"repository:{claims['repository_id']}" if "repository_id" in claims else None
        same("the subject", identity["subject"], pipeline or actor.get("sub") or claims["sub"], request)
        if actor:
            same("on whose behalf", identity["on_behalf_of"][0]["subject"], claims["sub"], request)
        if pipeline:
            same("the run", identity["run"], {field: claims[claim] for field, claim in RUN.items()}, request)
            same("the signed facts", identity["facts"], {field: claims[claim] for field, claim in FACTS.items()}, request)


def check_decision(gateway, request):
    """Also of requests that nobody listed: a look at rows, a list, a poll."""
    if request["policy"] is None:
        # A text that has no meaning is refused before policy is asked.
        ended, reason = request["outcome"], request["reason"]
        assert ended in ("refused", "failed") and reason, f"{ended} without a policy: {request['request']}"
        return
    same("the policy set", request["policy"], gateway.policy, request)
    if request["outcome"] == "refused" and request["reason"] == "upstream" and not gateway.is_ours:
        assert request["decision"] in ("permitted", "to_estimate"), request["decision"]
    elif request["outcome"] == "refused":
        assert request["decision"] in ("refused", "held") and request["reasons"] + request["rules"], request["decision"]
    else:
        same("the decision", request["decision"], "permitted", request)
        assert request["rules"], f"permitted by no rule: {request['request']}"


def value_of(configuration):
    """Of a parameter as BigQuery's JSON has it: a text, or a list of them."""
    if isinstance(configuration, dict):
        return [value_of(item) for item in configuration["arrayValues"]] if "arrayValues" in configuration else configuration.get("value")
    if isinstance(configuration, list):
        return [value_of(item) for item in configuration]
    return configuration


def parameters(request):
    for part in sections(request, "request"):
        if part.get("parameters"):
            return [(given["name"], json.dumps(value_of(json.loads(given["value"])))) for given in part["parameters"]]
    return []


def statement(request):
    texts = {part["statement"] for part in sections(request, "request") if part.get("statement") is not None}
    assert len(texts) <= 1, f"several statements in one request: {request['request']}"
    return next(iter(texts), None)


def check_at_the_warehouse(gateway, request):
    """The job that the record names, and how many bytes its text reads. Whether there was something to ask."""
    text = statement(request)
    if request["outcome"] == "refused":
        return False
    if request["job"] is None:
        query = {"query": text, "useLegacySql": False}
        job = gateway.warehouse("/jobs", {"configuration": {"dryRun": True, "query": query}})
    else:
        job = gateway.warehouse(f"/jobs/{request['job']}")
        if text is not None:
            query = job["configuration"]["query"]
            same("the text at the warehouse", query["query"], text, request)
            ran = [(given.get("name"), json.dumps(value_of(given["parameterValue"]))) for given in query.get("queryParameters", [])]
            same("the parameters at the warehouse", ran, parameters(request), request)
    if text is not None:
        same("the bytes", request["bytes"], int(job["statistics"].get("totalBytesProcessed", 0)), request)
    return True


def begins_a_job(request):
    return request["api"] in ("bigquery.jobs.insert", "bigquery.jobs.query")


def comparable(gateway, key):
    """What a request is compared by: who, what, and how it ended, where that is the same everywhere."""
    return key if gateway.is_ours else key[:-1]


def key(request, caller):
    text, ends = statement(request), request["outcome"]
    if request["reason"] in ("invalid_query", "not_found") and request["policy"] is None:
        ends = "meaningless"
    if text is None and ends != "meaningless":
        resources = [name for meta in sections(request, "meta") for name in meta.get("resources", [])]
        permitted = [question for policy in sections(request, "policy") for question in policy.get("permitted", {})]
        kind = "copy" if any(question.startswith("copy") for question in permitted) else "load"
        target = next((name.rsplit("acme-prod.", 1)[-1] for name in reversed(resources) if name.startswith("table ")), None)
        return (caller, kind, target, ends)
    if text is not None and ends == "completed" and request["job"] is None:
        ends = "dry"
    return (caller, text, json.dumps(parameters(request)), ends)


def wanted(asked):
    for kind, name in (("load", "loads"), ("copy", "copies")):
        if name in asked:
            return (asked["caller"], kind, asked[name], asked["ends"])
    given = [(name, json.dumps(value)) for name, value in asked.get("parameters", [])]
    return (asked["caller"], asked["statement"], json.dumps(given), "dry" if asked.get("dry") else asked["ends"])


def caller_of(gateway, request, callers):
    """By the principal alone; whether all the rest fits is looked at afterwards."""
    for caller in callers:
        claims = gateway.claims(caller)
        subject = f"repository:{claims['repository_id']}" if "repository_id" in claims else claims.get("act", claims)["sub"]
        if request["caller"] == f"{claims['iss']}#{subject}":
            return caller
    raise AssertionError(f"nobody here asked for request {request['request']} of {request['caller']}")


def of_client(gateway, since_ms, client):
    begins = lambda meta: meta.get("client", {}).get("user_agent", "").startswith(AGENTS[client])
    return [request for request in gateway.requests(since_ms) if any(map(begins, sections(request, "meta")))]


def check(gateway, requests, client, asked):
    """How much fits; an AssertionError says what does not."""
    assert asked, f"{client} has not said what it asked"
    callers = sorted({one["caller"] for one in asked})
    found, seen, at_warehouse = collections.Counter(), set(), 0
    for request in requests:
        assert request["outcome"] != "open", f"request {request['request']} goes on"
        caller = caller_of(gateway, request, callers)
        check_caller(gateway, caller, request)
        check_decision(gateway, request)
        # The second time it is a look at the rows of that job.
        if begins_a_job(request) and (request["job"] is None or request["job"] not in seen):
            seen.add(request["job"])
            found[comparable(gateway, key(request, caller))] += 1
            at_warehouse += gateway.is_ours and check_at_the_warehouse(gateway, request)
    listed = collections.Counter(comparable(gateway, wanted(one)) for one in asked if "method" not in one)
    assert found == listed, f"{client}: asked and not on record: {dict(listed - found)}; on record and not asked: {dict(found - listed)}"
    for one in asked:
        assert "method" not in one or any(fits_method(gateway, request, one) for request in requests), f"{client}: not on record: {one}"
    return f"{len(asked)} asked, {len(requests)} requests on record, {at_warehouse} compared with the warehouse"


def fits_method(gateway, request, one):
    target = f"{gateway.demo['project']}.{one['target']}"
    ends_so = request["outcome"] == one["ends"] or not gateway.is_ours
    return request["api"] == one["method"] and ends_so and target in json.dumps(sections(request, "policy"))


def check_that_it_bites(gateway, requests, client, asked):
    """What is told otherwise than it was has to be noticed, each for itself."""

    def told_otherwise(change):
        others = json.loads(json.dumps(requests))
        for request in others:
            change(request)
        return others

    def in_sections(name, change):
        return lambda request: [change(section) for section in sections(request, name)]

    first = next(one for one in asked if one.get("statement") and one["ends"] == "completed")
    otherwise = {
        "a statement that is not on record": (requests, asked + [first]),
        "a statement that nobody asked": (requests, [one for one in asked if one is not first]),
        "another text": (requests, [one | {"statement": one["statement"] + " "} if one is first else one for one in asked]),
        "other parameters": (requests, [one | {"parameters": [["other", "1"]]} if one is first else one for one in asked]),
        "another end": (requests, [one | {"ends": "refused"} if one is first else one for one in asked]),
        "another caller": (told_otherwise(lambda request: request.update(caller="https://login.example#other")), asked),
        "another group": (told_otherwise(in_sections("identity", lambda identity: identity.update(groups=["others"]))), asked),
        "another policy set": (told_otherwise(lambda request: request.update(policy="sha256:0")), asked),
        "another decision": (told_otherwise(lambda request: request.update(decision="refused")), asked),
        "other bytes": (told_otherwise(lambda request: request.update(bytes=(request["bytes"] or 0) + 1)), asked),
    }
    if not gateway.is_ours:
        del otherwise["another end"], otherwise["other bytes"]
    if any("repository_id" in gateway.claims(one["caller"]) for one in asked):
        change = in_sections("identity", lambda identity: identity.get("run", {}).update(commit="0"))
        otherwise["another commit"] = (told_otherwise(change), asked)
    for what, (given, listed) in otherwise.items():
        try:
            check(gateway, given, client, listed)
        except AssertionError:
            continue
        raise AssertionError(f"{client}: {what} would not be noticed")


def until_it_fits(gateway, since_ms, client, asked):
    # The end of a request goes on record while its answer is on its way.
    deadline = time.monotonic() + SECONDS_MAX
    while True:
        requests = of_client(gateway, since_ms, client)
        try:
            said = check(gateway, requests, client, asked)
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
            continue
        check_that_it_bites(gateway, requests, client, asked)
        return said


def main():
    given = sys.argv[1:]
    is_ours = given[0] != "--of-another-warehouse"
    folder, program, since_ms, *pairs = given if is_ours else given[1:]
    gateway, since_ms = Gateway(folder, program, is_ours), int(since_ms)
    for pair in pairs:
        client, file = pair.split("=", 1)
        with open(file, encoding="utf-8") as lines:
            asked = [json.loads(line) for line in lines]
        print(f"record, {client}: {until_it_fits(gateway, since_ms, client, asked)}", flush=True)


if __name__ == "__main__":
    main()
