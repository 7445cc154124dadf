//! No token with one flipped bit is accepted: every bit of an honest token of every shape, and of one of our own.

use crate::access::begun;
use crate::issuer::{SHAPES, honest_token, verify};

#[test]
fn no_flipped_bit_is_accepted() {
    let own = begun("github").reveal().to_owned();
    let tokens = SHAPES.map(honest_token).into_iter().chain([own]);
    let mut flipped = 0;
    for token in tokens {
        assert!(verify(token.as_bytes()).is_ok());
        let mut bytes = token.clone().into_bytes();
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(verify(&bytes).is_err(), "bit {bit} of {token}");
            bytes[bit / 8] ^= 1 << (bit % 8);
            flipped += 1;
        }
        // And no token that lost its end, or any byte.
        for length in 0..bytes.len() {
            assert!(verify(&bytes[..length]).is_err(), "{length} bytes of {token}");
            let without: Vec<u8> = bytes.iter().enumerate().filter(|(index, _)| *index != length).map(|(_, byte)| *byte).collect();
            assert!(verify(&without).is_err(), "without byte {length}: {token}");
        }
    }
    println!("{flipped} flipped bits, none accepted");
}
