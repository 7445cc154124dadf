//! The two calls of a witness over HTTP. It is meant to stand behind something that speaks TLS, or on the machine of the log.

use super::{Answer, REQUEST_BYTES_MAX, Witness};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;

const TEXT: &str = "text/plain; charset=utf-8";
/// So that a log can tell a size from an error page.
const SIZE: &str = "text/x.tlog.size";

#[derive(Debug)]
pub struct ServerFault(io::Error);

/// Returns when `until` does, after the calls that are under way.
pub async fn serve(
    witness: Arc<Witness>,
    listener: TcpListener,
    until: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServerFault> {
    let router = Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/{origin_hash}/checkpoint", get(checkpoint))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .with_state(witness);
    axum::serve(listener, router).with_graceful_shutdown(until).await.map_err(ServerFault)
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, body: Bytes) -> Response {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    // It waits for the disk.
    let answer = tokio::task::spawn_blocking(move || witness.add_checkpoint(&body, now)).await;
    match answer {
        Ok(answer) => respond(answer),
        Err(_) => respond(Answer::Memory("the call was broken off".to_owned())),
    }
}

async fn checkpoint(State(witness): State<Arc<Witness>>, Path(origin_hash): Path<String>) -> Response {
    match witness.checkpoint(&origin_hash) {
        Some(text) => with_type(StatusCode::OK, TEXT, text),
        None => with_type(StatusCode::NOT_FOUND, TEXT, "no checkpoint of this log was cosigned here\n".to_owned()),
    }
}

fn respond(answer: Answer) -> Response {
    match answer {
        Answer::Cosigned(line) => with_type(StatusCode::OK, TEXT, line),
        Answer::Conflict(size) => with_type(StatusCode::CONFLICT, SIZE, format!("{size}\n")),
        Answer::Inconsistent => {
            with_type(StatusCode::UNPROCESSABLE_ENTITY, TEXT, "the proof does not lead from the last checkpoint to this one\n".to_owned())
        }
        Answer::Malformed => with_type(StatusCode::BAD_REQUEST, TEXT, "not a request of `add-checkpoint`\n".to_owned()),
        Answer::Memory(_) => {
            with_type(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "the witness cannot remember, so it does not cosign\n".to_owned())
        }
        Answer::UnknownLog => with_type(StatusCode::NOT_FOUND, TEXT, "this witness does not know the log\n".to_owned()),
        Answer::Unsigned => with_type(StatusCode::FORBIDDEN, TEXT, "no known key of the log signed this\n".to_owned()),
    }
}

fn with_type(status: StatusCode, content_type: &'static str, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, content_type)], text).into_response()
}

impl fmt::Display for ServerFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the witness stopped: {}", self.0)
    }
}

impl std::error::Error for ServerFault {}
