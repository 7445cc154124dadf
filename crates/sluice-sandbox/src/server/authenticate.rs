//! Who may come in.

use crate::problem::{Problem, Reason};
use crate::settings::{OPEN_USER_EMAIL, Token};

/// The user that the `Authorization` header stands for.
pub fn user(tokens: &[Token], header: Option<&str>) -> Result<String, Problem> {
    if tokens.is_empty() {
        return Ok(OPEN_USER_EMAIL.to_owned());
    }
    let refused = || {
        let message = "Request had invalid authentication credentials. Expected OAuth 2 access token.";
        Problem::new(Reason::AuthError, message)
    };
    let (scheme, shown) = header.and_then(|header| header.split_once(' ')).ok_or_else(refused)?;
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(refused());
    }
    // Every token is compared, so that the time tells nothing about which one was near.
    let mut found = None;
    for token in tokens {
        if same(token.bearer.as_bytes(), shown.trim().as_bytes()) {
            found = Some(token.user_email.clone());
        }
    }
    found.ok_or_else(refused)
}

/// Takes the same time wherever the first difference is. The length is not secret.
fn same(first: &[u8], second: &[u8]) -> bool {
    let difference = first.iter().zip(second).fold(0, |difference, (one, other)| difference | (one ^ other));
    first.len() == second.len() && std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_tokens_come_in() {
        let token = |bearer: &str, user: &str| Token { bearer: bearer.to_owned(), user_email: user.to_owned() };
        let tokens = [token("alpha", "a@acme.example"), token("beta", "b@acme.example")];
        let check = |header: Option<&str>, expect: Option<&str>| assert_eq!(user(&tokens, header).ok().as_deref(), expect, "{header:?}");
        check(Some("Bearer alpha"), Some("a@acme.example"));
        check(Some("bearer beta"), Some("b@acme.example"));
        check(Some("Bearer alph"), None);
        check(Some("Bearer alphax"), None);
        check(Some("Bearer "), None);
        check(Some("Basic alpha"), None);
        check(None, None);
        assert_eq!(user(&[], None).unwrap(), OPEN_USER_EMAIL);
    }
}
