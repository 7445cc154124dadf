"""The sandbox warehouse's Storage API with Google's own clients: the same rows as by REST, and rows that are written. usage: storage.py URL ADDRESS BEARER_TOKEN"""

import collections
import json
import sys
import urllib.request

import grpc
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import BigQueryReadClient, BigQueryWriteClient, types
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport
from google.cloud.bigquery_storage_v1.services.big_query_write.transports import BigQueryWriteGrpcTransport
from google.oauth2.credentials import Credentials

import rows as written

URL, ADDRESS, TOKEN = sys.argv[1:4]
PROJECT = "acme-prod"
TABLE = f"{PROJECT}.storage.kinds"
SCALARS = {
    "INT64": ["9223372036854775807", "-1"],
    "FLOAT64": [1.5e300, -0.25],
    "BOOL": [True, False],
    "STRING": ["\u00f6\U0001f980", ""],
    "BYTES": ["AP+A", ""],
    "DATE": ["9999-12-31", "0001-01-01"],
    "TIME": ["23:59:59.999999", "00:00:00"],
    "DATETIME": ["9999-12-31T23:59:59.999999", "0001-01-01T00:00:00"],
    "TIMESTAMP": ["9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00Z"],
    "NUMERIC": ["99999999999999999999999999999.999999999", "-0.000000001"],
    "BIGNUMERIC": ["12345678901234567890123456789012345678.5", "-0.00000000000000000000000000000000000001"],
    "GEOGRAPHY": ["POINT(1 2)", "LINESTRING(0 0, 1 1)"],
    "JSON": ['{"a":[1,null]}', '"text"'],
}


class Details(collections.namedtuple("Details", "method timeout metadata credentials wait_for_ready compression"), grpc.ClientCallDetails):
    pass


class Bearer(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor, grpc.StreamStreamClientInterceptor):
    """A channel without TLS sends no credentials of its own."""

    def __init__(self, token):
        self.token = token

    def call(self, continuation, details, request):
        metadata = [*(details.metadata or ()), ("authorization", f"Bearer {self.token}")]
        return continuation(Details(details.method, details.timeout, metadata, None, details.wait_for_ready, details.compression), request)

    intercept_unary_unary = intercept_unary_stream = intercept_stream_stream = call


def channel(token=TOKEN):
    return grpc.intercept_channel(grpc.insecure_channel(ADDRESS, options=[("grpc.max_receive_message_length", -1)]), Bearer(token))


def reader(token=TOKEN):
    return BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel(token)))


CLIENT = bigquery.Client(project=PROJECT, credentials=Credentials(TOKEN), client_options=ClientOptions(api_endpoint=URL), location="US")
READER = reader()


def said(text):
    print(f"storage  {text}", flush=True)


def admin(verb, path, body=None):
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    data = json.dumps(body).encode() if body else None
    with urllib.request.urlopen(urllib.request.Request(URL + path, method=verb, data=data, headers=headers)) as answer:
        return answer.read().decode()


def session(table, data_format=types.DataFormat.ARROW, streams=1, **options):
    wanted = types.ReadSession(table=table if isinstance(table, str) else table.to_bqstorage(), data_format=data_format)
    wanted.read_options = types.ReadSession.TableReadOptions(**options)
    return READER.create_read_session(parent=f"projects/{PROJECT}", read_session=wanted, max_stream_count=streams)


def rows(made):
    return [row for stream in made.streams for row in READER.read_rows(stream.name).rows(made)]


def every_type():
    CLIENT.create_dataset("storage")
    fields = [bigquery.SchemaField(kind.lower(), kind) for kind in SCALARS]
    lists = [bigquery.SchemaField(f"list_{kind.lower()}", kind, "REPEATED") for kind in SCALARS]
    table = bigquery.Table(TABLE, [*fields, *lists, bigquery.SchemaField("record", "RECORD", fields=[*fields, *lists])])
    table = CLIENT.create_table(table)
    given = []
    for place in (0, 1):
        row = {kind.lower(): values[place] for kind, values in SCALARS.items()}
        row |= {f"list_{kind.lower()}": values for kind, values in SCALARS.items()}
        given += [row | {"record": row}, {"record": {}}]
    assert CLIENT.insert_rows_json(table, given + [{}]) == []
    rest, storage = CLIENT.list_rows(table), CLIENT.list_rows(table)
    rest, storage = rest.to_arrow(create_bqstorage_client=False), storage.to_arrow(bqstorage_client=READER)
    assert storage.num_rows == 5 and storage.schema.equals(rest.schema, check_metadata=True), f"{storage.schema}\n{rest.schema}"
    assert storage.equals(rest), f"{storage.to_pylist()}\n{rest.to_pylist()}"
    said("every type is in Arrow what it is by REST, its schema included")
    made = session(table, types.DataFormat.AVRO)
    plain = [dict(row) for row in CLIENT.list_rows(table)]
    # Avro knows no such times: they are texts.
    texts = {"datetime": lambda value: value.isoformat(), "json": lambda value: json.dumps(value, separators=(",", ":"))}

    def spoken(name, value):
        kind = texts.get(name.removeprefix("list_"))
        if isinstance(value, list):
            return [spoken(name, found) for found in value]
        if kind:
            return None if value is None else kind(value)
        return {inner: spoken(inner, found) for inner, found in value.items()} if isinstance(value, dict) else value

    expect = [{name: spoken(name, value) for name, value in row.items()} for row in plain]
    found = rows(made)
    assert found == expect, f"{found}\n{expect}"
    said("every type is in Avro what it is by REST")


def queries():
    sql = "SELECT id, `at`, email, amount FROM bench.events LIMIT 60000"
    job = CLIENT.query(sql)
    job.result()
    rest, storage = job.to_arrow(create_bqstorage_client=False), job.to_arrow(bqstorage_client=READER)
    assert storage.equals(rest) and storage.num_rows == 60_000
    rest, storage = job.to_dataframe(create_bqstorage_client=False), job.to_dataframe(bqstorage_client=READER)
    assert storage.equals(rest) and len(storage) == 60_000
    said("results of queries come as tables and as data frames")


def choices():
    patients = bigquery.TableReference.from_string(f"{PROJECT}.clinic.patients")
    whole = [dict(row) for row in CLIENT.query("SELECT id, ward FROM clinic.patients WHERE ward = 'D'").result()]
    for data_format in (types.DataFormat.ARROW, types.DataFormat.AVRO):
        made = session(patients, data_format, 3, selected_fields=["ward", "id"], row_restriction="ward = 'D'")
        found = [{name: getattr(value, "as_py", lambda: value)() for name, value in row.items()} for row in rows(made)]
        assert len(made.streams) == 3 and found == whole, found
    for codec in ("LZ4_FRAME", "ZSTD"):
        options = types.ArrowSerializationOptions(buffer_compression=codec)
        made = session(patients, selected_fields=["id"], arrow_serialization_options=options)
        found = READER.read_rows(made.streams[0].name).to_arrow(made)
        assert found["id"].to_pylist() == list(range(1, found.num_rows + 1)), found
    made = session(patients, selected_fields=["id"])
    halves = READER.split_read_stream(types.SplitReadStreamRequest(name=made.streams[0].name, fraction=0.25))
    made.streams = [halves.primary_stream, halves.remainder_stream]
    assert [row["id"].as_py() for row in rows(made)] == list(range(1, 41))
    said("fields, conditions, streams, halves of them and compression are as asked for")


def breaks():
    made = session(bigquery.TableReference.from_string(f"{PROJECT}.bench.events"), streams=200)
    whole = READER.read_rows(made.streams[7].name).to_arrow(made)
    for act in ({"kind": "breakStream", "afterMessages": 3}, {"kind": "reset", "afterBytes": 2_000_000}):
        admin("POST", "/sandbox/faults", {"path": "BigQueryRead/ReadRows", "act": act})
        assert READER.read_rows(made.streams[7].name).to_arrow(made).equals(whole), act
    said("a stream that breaks is taken up where it broke")


def writes():
    client = BigQueryWriteClient(transport=BigQueryWriteGrpcTransport(channel=channel()))
    CLIENT.create_table(bigquery.Table(f"{PROJECT}.storage.written", [bigquery.SchemaField(name, kind) for name, kind in (("id", "INT64"), ("name", "STRING"))]))
    table = f"projects/{PROJECT}/datasets/storage/tables/written"
    found = lambda: [tuple(row) for row in CLIENT.query("SELECT id, name FROM storage.written ORDER BY id").result()]
    stream = written.Stream(client, f"{table}/_default")
    assert [stream.send(numbers).result().append_result.offset for numbers in (range(2), range(2, 3))] == [None, None]
    stream.close()
    assert found() == [(0, "n0"), (1, "n1"), (2, "n2")], found()
    names = [written.create(client, table, types.WriteStream.Type.PENDING) for _ in range(2)]
    for name, numbers in zip(names, (range(10, 13), range(20, 21))):
        stream = written.Stream(client, name)
        assert stream.send(numbers, 0).result().append_result.offset == 0
        refused(lambda: stream.send(numbers, 0).result(), exceptions.AlreadyExists, "within stream")
        stream.close()
    assert len(found()) == 3, found()
    written.commit(client, table, names)
    assert [number for number, _ in found()] == [0, 1, 2, 10, 11, 12, 20], found()
    said("rows are written, to the stream of a table at once, to others when they are committed")


def refusals():
    refused(lambda: session(f"projects/{PROJECT}/datasets/clinic/tables/v_badges"), exceptions.InvalidArgument, "is a view")
    refused(lambda: session(f"projects/{PROJECT}/datasets/clinic/tables/none"), exceptions.NotFound, "Not found: Table")
    wanted = types.ReadSession(table=f"projects/{PROJECT}/datasets/clinic/tables/patients", data_format=types.DataFormat.ARROW)
    other = reader("wrong")
    ask = lambda: other.create_read_session(parent=f"projects/{PROJECT}", read_session=wanted)
    refused(ask, exceptions.Unauthenticated, "invalid authentication credentials")
    said("views, unknown tables and strangers are refused")


def refused(action, kind, part):
    try:
        action()
    except kind as error:
        assert part in str(error), error
    else:
        raise AssertionError(f"{kind.__name__} was expected")


def log():
    text = admin("GET", "/sandbox/requests")
    calls = [request for request in json.loads(text)["requests"] if "BigQueryRead" in request["target"]]
    methods = {request["method"].rsplit(".", 1)[-1] for request in calls}
    assert methods == {"CreateReadSession", "ReadRows", "SplitReadStream"} and TOKEN not in text, methods
    assert {200, 400, 401, 404, 503} <= {request["status"] for request in calls}
    said("every call is written down")


every_type()
queries()
choices()
breaks()
writes()
refusals()
log()
CLIENT.delete_dataset("storage", delete_contents=True)
