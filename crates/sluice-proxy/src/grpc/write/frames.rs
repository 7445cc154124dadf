//! Messages of a client that keeps sending, one after the other as they are asked for: what nobody has asked for stays with the client.

use crate::rest::room::{Place, Room};
use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use sluice_app::{FormReason, Why};

/// Of one message, as BigQuery has it.
pub const APPEND_BYTES_MAX: usize = 10 << 20;
const HEAD_BYTES: usize = 5;

pub struct Frames {
    body: Body,
    room: Room,
    owner: String,
    /// Of the next message, what came with the last one.
    rest: Vec<u8>,
}

#[derive(Debug)]
pub enum Fault {
    /// The client has gone.
    Gone,
    Odd(Why),
}

impl Frames {
    pub fn new(body: Body, room: Room, owner: String) -> Frames {
        Frames { body, room, owner, rest: Vec::new() }
    }

    /// Nothing behind the last. The place is the room that it takes.
    pub async fn next(&mut self) -> Result<Option<(Bytes, Place)>, Fault> {
        let mut place = self.room.place(self.owner.clone());
        let mut bytes = std::mem::take(&mut self.rest);
        place.grow(bytes.len()).await.map_err(|_| Fault::Odd(Why::Busy))?;
        loop {
            if let Some(length) = length(&bytes)?.filter(|length| bytes.len() >= HEAD_BYTES + length) {
                self.rest = bytes.split_off(HEAD_BYTES + length);
                return Ok(Some((Bytes::from(bytes).slice(HEAD_BYTES..), place)));
            }
            let data = match self.body.frame().await {
                None if bytes.is_empty() => return Ok(None),
                None => return Err(odd("the message broke off")),
                Some(Err(_)) => return Err(Fault::Gone),
                // Trailers are nobody's.
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            };
            place.grow(data.len()).await.map_err(|_| Fault::Odd(Why::Busy))?;
            bytes.extend_from_slice(&data);
        }
    }
}

/// Nothing while its head is not there.
fn length(bytes: &[u8]) -> Result<Option<usize>, Fault> {
    let Some(([flag, length @ ..], _)) = bytes.split_first_chunk::<HEAD_BYTES>() else { return Ok(None) };
    if *flag != 0 {
        return Err(odd("the message is compressed: send it as it is"));
    }
    let length = length.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
    if length > APPEND_BYTES_MAX {
        let text = format!("the message has more than {APPEND_BYTES_MAX} bytes");
        return Err(Fault::Odd(Why::Form { reason: FormReason::TooLarge, text }));
    }
    Ok(Some(length))
}

fn odd(text: &str) -> Fault {
    Fault::Odd(Why::Form { reason: FormReason::Invalid, text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(bytes: Vec<u8>, expect: &[&[u8]], end: Result<(), &str>) {
        let mut frames = Frames::new(Body::from(bytes), Room::of_bodies(), "a".to_owned());
        for message in expect {
            let (found, _) = frames.next().await.unwrap().unwrap();
            assert_eq!(found, *message);
        }
        match (frames.next().await, end) {
            (Ok(None), Ok(())) => {}
            (Err(Fault::Odd(Why::Form { text, .. })), Err(part)) => assert!(text.contains(part), "{text}"),
            (found, _) => panic!("{found:?}"),
        }
    }

    #[tokio::test]
    async fn messages_come_one_by_one() {
        check(vec![], &[], Ok(())).await;
        check(vec![0, 0, 0, 0, 1, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 8, 9], &[&[7], &[], &[8, 9]], Ok(())).await;
        check(vec![0, 0, 0, 0, 1, 7, 0, 0, 0], &[&[7]], Err("broke off")).await;
        check(vec![0, 0, 0, 0, 2, 7], &[], Err("broke off")).await;
        check(vec![1, 0, 0, 0, 1, 7], &[], Err("compressed")).await;
        check(vec![0, 255, 255, 255, 255], &[], Err("more than")).await;
    }

    #[tokio::test]
    async fn room_is_held_for_each_message_until_it_has_gone() {
        let room = Room::impatient();
        let mut frames = Frames::new(Body::from(vec![0, 0, 0, 0, 1, 7]), room.clone(), "a".to_owned());
        let (_, place) = frames.next().await.unwrap().unwrap();
        let mut all = room.place("a".to_owned());
        assert!(all.grow(crate::rest::BODIES_OF_ONE_BYTES_MAX).await.is_err(), "six bytes of it are taken");
        drop(place);
        assert!(all.grow(crate::rest::BODIES_OF_ONE_BYTES_MAX).await.is_ok());
    }
}
