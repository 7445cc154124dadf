//! gRPC's frames: a flag, a length, a message. One message makes a request.

use super::serve::MESSAGE_BYTES_MAX;
use crate::rest::room::Place;
use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use sluice_app::{FormReason, Why};
use std::time::Duration;
use tonic_prost::prost::Message;

/// From the end of the head to the end of the message.
const MESSAGE_SECONDS_MAX: u64 = 60;
const HEAD_BYTES: usize = 5;

/// The one message of a request, bounded in bytes, time and room.
pub async fn message(place: &mut Place, body: Body) -> Result<Vec<u8>, Why> {
    let reading = read(place, body);
    let read = tokio::time::timeout(Duration::from_secs(MESSAGE_SECONDS_MAX), reading).await;
    let bytes = read.unwrap_or_else(|_| Err(invalid(format!("the message did not arrive within {MESSAGE_SECONDS_MAX} seconds"))))?;
    let (head, message) = bytes.split_at_checked(HEAD_BYTES).ok_or_else(|| invalid("there is no message"))?;
    let [flag, length @ ..] = head else { return Err(invalid("there is no message")) };
    if *flag != 0 {
        return Err(invalid("the message is compressed: send it as it is"));
    }
    let length = length.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
    if length != message.len() {
        return Err(invalid("there is not one message of the length that it says"));
    }
    Ok(message.to_vec())
}

/// A message and what stands before it, written once: it can be long.
pub fn framed(message: &impl Message) -> Option<Bytes> {
    let length = message.encoded_len();
    let mut bytes = Vec::with_capacity(HEAD_BYTES + length);
    bytes.push(0);
    bytes.extend_from_slice(&u32::try_from(length).ok()?.to_be_bytes());
    message.encode(&mut bytes).ok()?;
    Some(Bytes::from(bytes))
}

async fn read(place: &mut Place, mut body: Body) -> Result<Vec<u8>, Why> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        // Trailers are nobody's.
        let data: Bytes = frame.map_err(|_| invalid("the message broke off"))?.into_data().unwrap_or_default();
        if bytes.len() + data.len() > MESSAGE_BYTES_MAX + HEAD_BYTES {
            let text = format!("the message has more than {MESSAGE_BYTES_MAX} bytes");
            return Err(Why::Form { reason: FormReason::TooLarge, text });
        }
        place.grow(data.len()).await.map_err(|_| Why::Busy)?;
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn invalid(text: impl Into<String>) -> Why {
    Why::Form { reason: FormReason::Invalid, text: text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rest::room::Room;

    async fn check(bytes: Vec<u8>, expect: Result<&[u8], &str>) {
        let mut place = Room::of_bodies().place("a".to_owned());
        match (message(&mut place, Body::from(bytes.clone())).await, expect) {
            (Ok(found), Ok(expect)) => assert_eq!(found, expect),
            (Err(Why::Form { text, .. }), Err(part)) => assert!(text.contains(part), "{text}"),
            (found, _) => panic!("{:?}: {found:?}", bytes.get(..20)),
        }
    }

    /// As a client writes it.
    fn framed(message: &[u8]) -> Vec<u8> {
        [&[0], u32::try_from(message.len()).unwrap().to_be_bytes().as_slice(), message].concat()
    }

    #[test]
    fn an_answer_stands_in_one_frame() {
        for text in ["", "x", &"x".repeat(70_000)] {
            let message = text.to_owned();
            assert_eq!(super::framed(&message).unwrap(), framed(&message.encode_to_vec()));
        }
    }

    #[tokio::test]
    async fn one_message_of_its_length_is_taken() {
        check(framed(b"abc"), Ok(b"abc")).await;
        check(framed(b""), Ok(b"")).await;
        check(vec![], Err("no message")).await;
        check(vec![0, 0, 0, 0], Err("no message")).await;
        check(vec![1, 0, 0, 0, 1, 7], Err("compressed")).await;
        check(vec![0, 0, 0, 0, 2, 7], Err("not one message")).await;
        check([framed(b"a"), framed(b"b")].concat(), Err("not one message")).await;
        check(vec![0, 255, 255, 255, 255], Err("not one message")).await;
        check(vec![0; MESSAGE_BYTES_MAX + HEAD_BYTES + 1], Err("more than")).await;
    }
}
