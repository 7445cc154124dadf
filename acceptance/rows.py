"""Rows of protobuf for the Storage Write API, as a program without generated code makes them: `id INT64, name STRING`."""

from google.cloud.bigquery_storage_v1 import types, writer
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory


def _row():
    described = descriptor_pb2.FileDescriptorProto(name="acceptance_row.proto", package="acceptance", syntax="proto2")
    message = described.message_type.add(name="Row")
    kinds = descriptor_pb2.FieldDescriptorProto
    for number, (name, kind) in enumerate([("id", kinds.TYPE_INT64), ("name", kinds.TYPE_STRING)], 1):
        message.field.add(name=name, number=number, type=kind, label=kinds.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(described)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("acceptance.Row"))


Row = _row()


class Stream:
    """A connection that appends to one stream, with Google's own writer."""

    def __init__(self, client, name):
        described = descriptor_pb2.DescriptorProto()
        Row.DESCRIPTOR.CopyToProto(described)
        data = types.AppendRowsRequest.ProtoData(writer_schema=types.ProtoSchema(proto_descriptor=described))
        self.writer = writer.AppendRowsStream(client, types.AppendRowsRequest(write_stream=name, proto_rows=data))

    def send(self, numbers, offset=None):
        """The future of these rows."""
        rows = types.ProtoRows(serialized_rows=[Row(id=number, name=f"n{number}").SerializeToString() for number in numbers])
        request = types.AppendRowsRequest(proto_rows=types.AppendRowsRequest.ProtoData(rows=rows))
        if offset is not None:
            request.offset = offset
        return self.writer.send(request)

    def close(self):
        self.writer.close()


def create(client, table, kind):
    return client.create_write_stream(parent=table, write_stream=types.WriteStream(type_=kind)).name


def commit(client, table, names):
    """In one step, once nothing more comes."""
    for name in names:
        client.finalize_write_stream(name=name)
    answer = client.batch_commit_write_streams(types.BatchCommitWriteStreamsRequest(parent=table, write_streams=names))
    assert not answer.stream_errors and answer.commit_time, answer
