//! Rows read by the Storage API, and everything that came back on the way looked through: heads, trailers, messages as they are and unpacked, cells.

use crate::canaries::Canaries;
use crate::storage_wire::{Exchange, Storage, api, batch_of, bytes, rows};
use crate::talk::Answer;
use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_prost::prost::Message;

/// The calls of one caller.
pub struct Look<'a> {
    storage: Storage<'a>,
    canaries: &'a Canaries,
    pub leaks: Vec<String>,
    pub sessions: usize,
    pub messages: usize,
}

impl<'a> Look<'a> {
    pub fn new(storage: Storage<'a>, canaries: &'a Canaries) -> Look<'a> {
        Look { storage, canaries, leaks: Vec::new(), sessions: 0, messages: 0 }
    }

    pub fn mark(&self) -> String {
        self.storage.mark.clone()
    }

    pub fn create(&mut self, request: &api::CreateReadSessionRequest) -> Result<api::ReadSession, Status> {
        let session: api::ReadSession = self.only("CreateReadSession", request)?;
        self.sessions += 1;
        Ok(session)
    }

    /// Every stream, one after the other.
    pub fn whole(&mut self, request: &api::CreateReadSessionRequest) -> Result<Vec<Value>, Status> {
        let session = self.create(request)?;
        let mut all = Vec::new();
        for stream in &session.streams {
            all.extend(self.rows(&session, &stream.name, 0)?);
        }
        Ok(all)
    }

    pub fn rows(&mut self, session: &api::ReadSession, stream: &str, offset: i64) -> Result<Vec<Value>, Status> {
        let asked = api::ReadRowsRequest { read_stream: stream.to_owned(), offset };
        let exchange = self.exchange("ReadRows", &asked);
        let messages: Vec<api::ReadRowsResponse> =
            exchange.messages.iter().map(|message| api::ReadRowsResponse::decode(message.clone()).unwrap()).collect();
        self.messages += messages.len();
        let found = rows(session, &messages);
        self.look_at(&json!({ "rows": found }));
        if let Some(api::read_session::Schema::ArrowSchema(schema)) = &session.schema {
            for message in &messages {
                self.look_into(&unpacked(&schema.serialized_schema, bytes(message)));
            }
        }
        if exchange.status.code() == Code::Ok { Ok(found) } else { Err(exchange.status) }
    }

    pub fn split(&mut self, stream: &str, fraction: f64) -> Result<Option<[String; 2]>, Status> {
        let asked = api::SplitReadStreamRequest { name: stream.to_owned(), fraction };
        let answer: api::SplitReadStreamResponse = self.only("SplitReadStream", &asked)?;
        Ok(answer.primary_stream.zip(answer.remainder_stream).map(|(first, second)| [first.name, second.name]))
    }

    fn only<M: Message + Default>(&mut self, method: &str, message: &impl Message) -> Result<M, Status> {
        let exchange = self.exchange(method, message);
        match exchange.messages.as_slice() {
            [only] if exchange.status.code() == Code::Ok => Ok(M::decode(only.clone()).unwrap()),
            _ => Err(exchange.status),
        }
    }

    fn exchange(&mut self, method: &str, message: &impl Message) -> Exchange {
        let exchange = self.storage.exchange(method, message);
        self.look_into(exchange.metadata.as_bytes());
        self.look_at(&json!({ "error": { "message": exchange.status.message() } }));
        self.look_into(exchange.status.details());
        exchange.messages.iter().for_each(|message| self.look_into(message));
        exchange
    }

    fn look_into(&mut self, bytes: &[u8]) {
        self.leaks.extend(self.canaries.find(&String::from_utf8_lossy(bytes)));
    }

    fn look_at(&mut self, body: &Value) {
        let answer = Answer { body: body.to_string().into_bytes(), ..Answer::default() };
        self.leaks.extend(self.canaries.find_in(&answer));
    }
}

/// Where the rows of a job lie, by its description.
pub fn table_of(job: &Value) -> Option<(String, String)> {
    let table = job.pointer("/configuration/query/destinationTable")?;
    let word = |name: &str| table[name].as_str().map(str::to_owned);
    word("datasetId").zip(word("tableId"))
}

/// All that a batch holds when it is unpacked: also what lies under a null, where no cell shows it.
fn unpacked(schema: &[u8], batch: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    let mut parts: Vec<_> = batch_of(schema, batch).columns().iter().map(|column| column.to_data()).collect();
    while let Some(part) = parts.pop() {
        part.buffers().iter().for_each(|buffer| all.extend_from_slice(buffer));
        parts.extend(part.child_data().iter().cloned());
    }
    all
}
