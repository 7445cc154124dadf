use super::body::{Came, Coming};
use super::*;
use flate2::read::GzDecoder;
use http_body_util::BodyExt;
use serde_json::json;
use std::collections::VecDeque;
use std::io::Read as _;
use std::marker::PhantomData;
use std::task::{Context, Poll};

async fn bytes(response: Response<Body>) -> (Option<String>, Vec<u8>, usize) {
    let header = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::to_owned);
    assert!(
        response.status() == 204
            || response.status() == 304
            || header(header::CONTENT_TYPE).as_deref() == Some("application/json; charset=UTF-8")
    );
    let (coding, length) = (header(header::CONTENT_ENCODING), header(header::CONTENT_LENGTH));
    let mut body = response.into_body();
    let (mut whole, mut frames) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        whole.extend_from_slice(&frame.unwrap().into_data().unwrap());
        frames += 1;
    }
    if let Some(length) = length {
        assert_eq!(length, whole.len().to_string());
    }
    if coding.as_deref() == Some("gzip") {
        let mut unpacked = Vec::new();
        GzDecoder::new(&*whole).read_to_end(&mut unpacked).unwrap();
        whole = unpacked;
    }
    (coding, whole, frames)
}

fn manner(fields: &str) -> Manner {
    Manner { mask: Mask::parse(fields), ..Manner::default() }
}

/// Nothing follows.
struct Nothing<R>(PhantomData<R>);

impl<R: AsRef<[u8]> + Send + Unpin + 'static> Coming for Nothing<R> {
    type Rows = R;

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<Option<Came<R>>> {
        Poll::Ready(None)
    }
}

fn all<R>() -> Option<(Nothing<R>, Tail)> {
    None
}

/// What follows, step by step: nothing yet, rows, the end; then it has broken off.
struct Script(VecDeque<Step>);

enum Step {
    End,
    Rows(&'static str),
    Wait,
}

impl Coming for Script {
    type Rows = &'static str;

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Came<&'static str>>> {
        match self.0.pop_front() {
            Some(Step::Wait) => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Step::Rows(rows)) => Poll::Ready(Some(Came::Rows(rows))),
            Some(Step::End) => Poll::Ready(Some(Came::End(Head { page_token: Some("t".to_owned()), ..Head::default() }))),
            None => Poll::Ready(None),
        }
    }
}

/// What a client sees of a page of which rows follow: all of it, or that it broke off.
async fn onward(rows: &[&'static str], steps: Vec<Step>, manner: &Manner) -> Option<Value> {
    let Value::Object(head) = json!({ "kind": "k", "totalRows": "3" }) else { panic!() };
    let tail: Tail = |head| match json!({ "kind": "other", "pageToken": head.page_token, "cacheHit": false }) {
        Value::Object(tail) => tail,
        _ => Map::new(),
    };
    let response = page_of(head, rows.iter().copied(), Some((Script(steps.into()), tail)), manner);
    assert_eq!(response.headers().get(header::CONTENT_LENGTH), None);
    let packed = response.headers().contains_key(header::CONTENT_ENCODING);
    let mut body = response.into_body();
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        whole.extend_from_slice(&frame.ok()?.into_data().unwrap());
    }
    let mut text = String::new();
    match packed {
        true => GzDecoder::new(&*whole).read_to_string(&mut text).unwrap(),
        false => (&*whole).read_to_string(&mut text).unwrap(),
    };
    Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

#[tokio::test]
async fn rows_that_follow_stand_where_the_others_do() {
    use Step::{End, Rows, Wait};
    let (one, two) = (r#"{"f":[{"v":"1"}]}"#, r#"{"f":[{"v":"2"}]},{"f":[{"v":null}]}"#);
    let row = |value: Value| json!({ "f": [{ "v": value }] });
    let all = json!({ "kind": "k", "totalRows": "3", "rows": [row(json!("1")), row(json!("2")), row(json!(null))], "pageToken": "t", "cacheHit": false });
    let packed = Manner { gzip: true, ..Manner::default() };
    let pretty = Manner { pretty: true, ..Manner::default() };
    for manner in [&Manner::default(), &packed, &pretty] {
        assert_eq!(onward(&[one], vec![Wait, Rows(two), Wait, End], manner).await, Some(all.clone()));
        assert_eq!(onward(&[], vec![Rows(one), Rows(two), End], manner).await, Some(all.clone()));
        assert_eq!(onward(&[one, two], vec![Wait, End], manner).await, Some(all.clone()));
        // A client never takes what broke off for the whole.
        assert_eq!(onward(&[one], vec![Rows(two)], manner).await, None);
        assert_eq!(onward(&[one], vec![Wait], manner).await, None);
    }
    let check = async |fields: &str, expect: Value| {
        assert_eq!(onward(&[one], vec![Rows(two), End], &manner(fields)).await, Some(expect), "{fields}");
    };
    check("rows", json!({ "rows": all["rows"] })).await;
    check("totalRows", json!({ "totalRows": "3" })).await;
    check("pageToken", json!({ "pageToken": "t" })).await;
    check("zz", json!({})).await;
    check("pageToken,rows/x", json!({ "rows": [{}, {}, {}], "pageToken": "t" })).await;
}

async fn check_page(rows: &[&'static str], manner: &Manner, expect: Value) {
    let Value::Object(head) = json!({ "kind": "k", "totalRows": "3" }) else { panic!() };
    let (_, found, _) = bytes(page_of(head, rows.iter().copied(), all(), manner)).await;
    let found: Value = serde_json::from_slice(&found).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&found)));
    assert_eq!(found, expect, "{rows:?}");
}

#[tokio::test]
async fn rows_stand_in_the_page_as_they_are() {
    let one = r#"{"f":[{"v":"1"}]}"#;
    let two = r#"{"f":[{"v":"2"}]},{"f":[{"v":null}]}"#;
    let plain = Manner::default();
    let row = |value: Value| json!({ "f": [{ "v": value }] });
    check_page(&[], &plain, json!({ "kind": "k", "totalRows": "3" })).await;
    check_page(&[one, two], &plain, json!({ "kind": "k", "totalRows": "3", "rows": [row(json!("1")), row(json!("2")), row(json!(null))] }))
        .await;
    check_page(&["", one, ""], &plain, json!({ "kind": "k", "totalRows": "3", "rows": [row(json!("1"))] })).await;
    check_page(&[one], &Manner { pretty: true, ..Manner::default() }, json!({ "kind": "k", "totalRows": "3", "rows": [row(json!("1"))] }))
        .await;
    check_page(&[one], &manner("rows"), json!({ "rows": [row(json!("1"))] })).await;
    check_page(&[one], &manner("totalRows"), json!({ "totalRows": "3" })).await;
    check_page(
        &[one, two],
        &manner("totalRows,rows/f"),
        json!({ "totalRows": "3", "rows": [row(json!("1")), row(json!("2")), row(json!(null))] }),
    )
    .await;
    check_page(&[one], &manner("rows/x"), json!({ "rows": [{}] })).await;
    check_page(
        &[one, two],
        &Manner { gzip: true, ..manner("kind,rows/f/v") },
        json!({ "kind": "k", "rows": [row(json!("1")), row(json!("2")), row(json!(null))] }),
    )
    .await;
    check_page(&[one], &manner("zz"), json!({})).await;
}

/// A piece that counts how often it is copied out.
struct Large(Vec<u8>);

impl AsRef<[u8]> for Large {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[tokio::test]
async fn a_page_leaves_piece_by_piece() {
    let rows = |count: usize| {
        vec![Large(format!("{{\"f\":[{{\"v\":\"{}\"}}]}}", "x".repeat(1 << 20)).into_bytes())]
            .into_iter()
            .chain((1..count).map(|_| Large(b"{}".to_vec())))
            .collect::<Vec<_>>()
    };
    let (coding, whole, frames) = bytes(page_of(Map::new(), rows(3).into_iter(), all(), &Manner::default())).await;
    assert_eq!((coding, frames), (None, 7), "the head, three pieces, two commas, the end");
    assert!(whole.starts_with(b"{\"rows\":[{\"f\":") && whole.ends_with(b"},{},{}]}"));
    let packed = Manner { gzip: true, ..Manner::default() };
    let (coding, unpacked, frames) = bytes(page_of(Map::new(), rows(3).into_iter(), all(), &packed)).await;
    assert_eq!((coding.as_deref(), unpacked == whole), (Some("gzip"), true));
    assert!(frames >= 1);
    let (coding, ..) = bytes(page_of(Map::new(), vec![Large(b"{}".to_vec())].into_iter(), all(), &packed)).await;
    assert_eq!(coding, None, "small answers are not packed");
}

#[tokio::test]
async fn the_bytes_of_a_piece_are_not_copied() {
    let large = Large(vec![b' '; 1 << 20]);
    let place = large.0.as_ptr();
    let mut body = page_of(Map::new(), vec![large].into_iter(), all(), &Manner::default()).into_body();
    let mut found = false;
    while let Some(frame) = body.frame().await {
        found |= frame.unwrap().into_data().unwrap().as_ptr() == place;
    }
    assert!(found);
}

#[tokio::test]
async fn etags_are_those_of_the_whole_resource() {
    let value = json!({ "etag": "abc", "id": "x" });
    let check = |manner: Manner| {
        let response = resource(value.clone(), &manner);
        (response.status().as_u16(), response.headers().get("etag").and_then(|tag| tag.to_str().ok()).map(str::to_owned))
    };
    let tag = Some("\"abc\"".to_owned());
    assert_eq!(check(Manner::default()), (200, tag.clone()));
    assert_eq!(check(manner("id")), (200, tag.clone()));
    assert_eq!(check(Manner { known_etags: vec!["abc".to_owned()], ..manner("id") }), (304, tag.clone()));
    assert_eq!(check(Manner { known_etags: vec!["*".to_owned()], ..Manner::default() }), (304, tag.clone()));
    assert_eq!(check(Manner { known_etags: vec!["other".to_owned()], ..Manner::default() }), (200, tag));
    let (_, found, _) = bytes(json(StatusCode::OK, json!({ "a": { "b": 1 } }), &Manner { pretty: true, ..Manner::default() })).await;
    assert_eq!(String::from_utf8(found).unwrap(), "{\n  \"a\": {\n    \"b\": 1\n  }\n}\n");
}
