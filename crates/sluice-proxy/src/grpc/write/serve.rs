//! Calls about writing, from their messages to the application.

use super::super::serve::{Answer, Called, Storage, in_time};
use super::answer;
use super::decode::{self, Appended};
use super::encode;
use super::frames::{Fault, Frames};
use axum::body::Body;
use sluice_app::{APPEND_IDLE_SECONDS_MAX, AppendAsk, Coming, FormReason, Why};
use sluice_model::TableName;
use std::time::Duration;
use tokio::sync::mpsc::{self, Sender};
use tokio::time::timeout;

/// From the head to the end of the first message, which says what it is about.
const FIRST_SECONDS_MAX: u64 = 60;
/// Read and not taken.
const MESSAGES_AHEAD_MAX: usize = 1;

impl Storage {
    pub(in crate::grpc) async fn of_stream(&self, called: Called, method: &str, message: &[u8]) -> Answer {
        let Called { visit, caller, until } = called;
        let mut ask = match decode::of_stream(method, message) {
            Ok(ask) => ask,
            Err(why) => return Err(self.refuse(visit, &caller, why).await),
        };
        ask.connection = self.connection(&visit, &caller, &ask.table.project).await?;
        Ok(encode::of_stream(in_time(until, self.application.ask_of_stream(visit, caller, ask)).await?))
    }

    pub(in crate::grpc) async fn append(&self, called: Called, body: Body) -> Answer {
        let Called { visit, caller, until } = called;
        let mut frames = Frames::new(body, self.room.clone(), caller.principal().to_string());
        let first = timeout(Duration::from_secs(FIRST_SECONDS_MAX), next(&mut frames)).await;
        let (ask, table) = match first.unwrap_or_else(|_| Come::Odd(invalid("no message arrived in time"))) {
            Come::Append(ask, Some(table)) => (ask, table),
            Come::Append(_, None) => return Err(self.refuse(visit, &caller, invalid("the first message has no `write_stream`")).await),
            Come::Odd(why) => return Err(self.refuse(visit, &caller, why).await),
            Come::End | Come::Gone => return Err(self.refuse(visit, &caller, invalid("there is no message")).await),
        };
        let connection = self.connection(&visit, &caller, &table.project).await?;
        let (stream, (to, from)) = (ask.stream.clone(), mpsc::channel(MESSAGES_AHEAD_MAX));
        let appending = self.application.append_rows(visit, caller, (connection, table), ask, from);
        let coming = in_time(until, appending).await?;
        tokio::spawn(read_on(frames, to));
        Ok(answer::answers(coming, stream, until))
    }
}

/// What came, with the table of the stream that it names.
enum Come {
    Append(AppendAsk, Option<TableName>),
    End,
    Gone,
    Odd(Why),
}

async fn next(frames: &mut Frames) -> Come {
    match frames.next().await {
        Ok(None) => Come::End,
        Ok(Some((bytes, place))) => match decode::append(bytes) {
            Ok(Appended { stream, message, rows }) => {
                let (stream, table) = stream.unzip();
                Come::Append(AppendAsk { stream: stream.unwrap_or_default(), message, rows, room: Box::new(place) }, table)
            }
            Err(why) => Come::Odd(why),
        },
        Err(Fault::Gone) => Come::Gone,
        Err(Fault::Odd(why)) => Come::Odd(why),
    }
}

/// By itself: one message is read while another one is put on record.
async fn read_on(mut frames: Frames, to: Sender<Coming>) {
    loop {
        let patience = Duration::from_secs(APPEND_IDLE_SECONDS_MAX);
        let come = tokio::select! {
            come = timeout(patience, next(&mut frames)) => come.unwrap_or_else(|_| Come::Odd(invalid("nothing came for too long"))),
            // Nobody asks for more.
            () = to.closed() => return,
        };
        let coming = match come {
            Come::Append(ask, _) => Coming::Append(ask),
            Come::End => Coming::End,
            Come::Gone => Coming::Gone,
            Come::Odd(why) => Coming::Odd(why),
        };
        let is_last = !matches!(coming, Coming::Append(_));
        if to.send(coming).await.is_err() || is_last {
            return;
        }
    }
}

fn invalid(text: &str) -> Why {
    Why::Form { reason: FormReason::Invalid, text: text.to_owned() }
}
