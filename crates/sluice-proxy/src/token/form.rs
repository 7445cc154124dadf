//! `application/x-www-form-urlencoded`, read so that two readers cannot understand it differently.

use super::answer::{Fault, Word};
use crate::rest::percent::{Place, decode};
use axum::body::Body;
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use std::collections::BTreeMap;
use std::time::Duration;

/// Two tokens of 16 KiB, encoded, and room for the rest.
pub const FORM_BYTES_MAX: usize = 64 << 10;
pub const FORM_MILLISECONDS_MAX: u64 = 10_000;
pub const FIELDS_MAX: usize = 32;
const MEDIA_TYPE: &str = "application/x-www-form-urlencoded";

pub struct Form {
    fields: BTreeMap<String, String>,
}

pub async fn read(headers: &HeaderMap, body: Body) -> Result<Form, Fault> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !is_form(media_type) || headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Fault::new(Word::MediaType, format!("the body has to be `{MEDIA_TYPE}`, not compressed")));
    }
    let collecting = tokio::time::timeout(Duration::from_millis(FORM_MILLISECONDS_MAX), collect(body));
    let bytes = collecting.await.map_err(|_| invalid("the body did not arrive in time"))??;
    let text = std::str::from_utf8(&bytes).map_err(|_| invalid("the body is not text"))?;
    Form::parse(text)
}

impl Form {
    fn parse(text: &str) -> Result<Form, Fault> {
        let mut fields = BTreeMap::new();
        for pair in text.split('&').filter(|_| !text.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or_else(|| invalid("a parameter has no `=`"))?;
            // A file that a token lies in often ends with a line break, and libraries send that too.
            let value = value.strip_suffix("%0A").map_or(value, |value| value.strip_suffix("%0D").unwrap_or(value));
            let name = decode(name, Place::Query).map_err(|fault| invalid(&format!("the name of a parameter {}", fault.text())))?;
            let value = decode(value, Place::Query).map_err(|fault| invalid(&format!("the value of a parameter {}", fault.text())))?;
            if fields.len() >= FIELDS_MAX {
                return Err(invalid("more parameters than there may be"));
            }
            if fields.insert(name, value).is_some() {
                return Err(invalid("a parameter stands twice"));
            }
        }
        Ok(Form { fields })
    }

    /// An empty value is as good as none.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

async fn collect(mut body: Body) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let data = frame.map_err(|_| invalid("the body broke off"))?.into_data().unwrap_or_default();
        if bytes.len() + data.len() > FORM_BYTES_MAX {
            return Err(Fault::new(Word::TooLarge, format!("the body has more than {FORM_BYTES_MAX} bytes")));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn is_form(media_type: &str) -> bool {
    let mut parts = media_type.split(';').map(str::trim);
    let is_form = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(MEDIA_TYPE));
    is_form && parts.all(|part| part.eq_ignore_ascii_case("charset=utf-8") || part.eq_ignore_ascii_case("charset=\"utf-8\""))
}

fn invalid(text: &str) -> Fault {
    Fault::new(Word::InvalidRequest, text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_in_one_way() {
        let check = |text: &str, expect: Option<&[(&str, &str)]>| {
            let found = Form::parse(text).ok().map(|form| form.fields);
            let expect = expect.map(|pairs| pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
            assert_eq!(found, expect, "{text}");
        };
        check("", Some(&[]));
        check("a=1&b=x%20y+z&c=", Some(&[("a", "1"), ("b", "x y z"), ("c", "")]));
        check("a=b=c", Some(&[("a", "b=c")]));
        check("a=token%0A&b=token%0D%0A", Some(&[("a", "token"), ("b", "token")]));
        check("a=one%0Atwo", None);
        check("a=token%0A%0A", None);
        for bad in ["a", "a=1&", "&a=1", "a=1&a=1", "a=1&%61=2", "a=%", "a=%zz", "a=%00", "a=\u{e9}", "a=%ff", "a=1;b=2", "a=1&&b=2", "a=<"]
        {
            check(bad, None);
        }
        let many = |count: usize| (0..count).map(|number| format!("f{number}=1")).collect::<Vec<_>>().join("&");
        assert!(Form::parse(&many(FIELDS_MAX)).is_ok() && Form::parse(&many(FIELDS_MAX + 1)).is_err());
        assert!(Form::parse("a=").is_ok_and(|form| form.text("a").is_none()));
    }

    #[test]
    fn forms_are_said_to_be_forms() {
        let check = |text: &str, expect: bool| assert_eq!(is_form(text), expect, "{text}");
        check("application/x-www-form-urlencoded", true);
        check("Application/X-WWW-Form-Urlencoded; charset=UTF-8", true);
        check("application/x-www-form-urlencoded;charset=utf-7", false);
        check("application/json", false);
        check("multipart/form-data; boundary=x", false);
        check("text/plain", false);
        check("", false);
    }
}
