//! Addresses: of mail, and of machines.

use super::groups::{Run, Window};
use super::telephone::Looked;
use core::net::Ipv6Addr;

const LOCAL_BYTES_MAX: usize = 64;
const DOMAIN_BYTES_MAX: usize = 253;
/// Behind the last dot of what is a file.
const FILES: [&str; 18] =
    ["bmp", "css", "csv", "gif", "gz", "html", "jpeg", "jpg", "js", "json", "log", "pdf", "png", "svg", "txt", "webp", "xml", "zip"];
const IPV6_BYTES_MAX: usize = 45;
const IPV6_GROUPS_MIN: usize = 3;
/// From here on an octet is rarely the number of a version.
const OCTET_LARGE_MIN: u32 = 64;

/// Where an `@` stands.
pub(crate) fn is_mail(text: &[u8], at: usize) -> bool {
    let is_local = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-' | b'\'');
    let is_domain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let before = text.get(..at).unwrap_or_default();
    let length = before.iter().rev().take(LOCAL_BYTES_MAX + 1).take_while(|byte| is_local(byte)).count();
    let (around, local) = before.split_at(before.len() - length);
    let rest = text.get(at + 1..).unwrap_or_default();
    let domain = rest.iter().take(DOMAIN_BYTES_MAX + 1).take_while(|byte| is_domain(byte)).count();
    let (domain, behind) = rest.split_at(domain);
    // A sentence ends behind it.
    let domain = domain.strip_suffix(b".").unwrap_or(domain);
    let is_local_whole = (1..=LOCAL_BYTES_MAX).contains(&local.len()) && local.first() != Some(&b'.') && local.last() != Some(&b'.');
    // `https://name:word@host`, `git@host:path`, `user@host/path`.
    let near = around.get(around.len().saturating_sub(LOCAL_BYTES_MAX)..).unwrap_or_default();
    let is_link =
        near.ends_with(b"//") || near.ends_with(b"@") || near.last() == Some(&b':') && near.windows(3).any(|three| three == b"://");
    let leads_on = match behind.split_first() {
        Some((b'/' | b'@', _)) => true,
        Some((b':', more)) => more.first().is_some_and(u8::is_ascii_alphanumeric),
        _ => false,
    };
    is_local_whole && !is_link && !leads_on && is_domain_of_mail(domain)
}

fn is_domain_of_mail(domain: &[u8]) -> bool {
    let mut parts = domain.rsplit(|byte| *byte == b'.');
    let Some(last) = parts.next().and_then(|last| std::str::from_utf8(last).ok()) else { return false };
    let is_top =
        last.len() >= 2 && last.bytes().all(|byte| byte.is_ascii_alphabetic()) && !FILES.contains(&last.to_ascii_lowercase().as_str());
    let mut count = 0;
    let whole = parts.all(|part| {
        count += 1;
        !part.is_empty() && part.first() != Some(&b'-') && part.last() != Some(&b'-')
    });
    is_top && whole && count > 0 && domain.len() <= DOMAIN_BYTES_MAX
}

/// Four numbers with points between them. Where nothing says that they are of a network, one of them has to be large: versions are small.
pub(crate) fn ipv4(run: &Run<'_>, is_named: bool) -> Looked {
    let mut looked = Looked::default();
    for window in run.windows(4).filter(|window| window.gaps_are(b".") && is_free(window)) {
        let octets = (0..4).map(|group| window.digits(group));
        let mut numbers = octets.clone().map(super::digits::number);
        let is_written = octets.clone().all(|octet| octet.len() <= 3 && (octet.len() == 1 || octet.first() != Some(&b'0')));
        let is_whole = is_written && numbers.clone().all(|number| number <= 255);
        looked.formed = true;
        looked.valid |= is_whole && (is_named || numbers.any(|number| number >= OCTET_LARGE_MIN));
    }
    looked
}

/// A port or a network may stand behind it.
fn is_free(window: &Window<'_, '_>) -> bool {
    let begins_within = window.before().is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
    let ends_within = window.behind(0).is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let goes_on = window.behind(0) == Some(b'.') && window.behind(1).is_some_and(|byte| byte.is_ascii_digit());
    !(begins_within || ends_within || goes_on)
}

/// From the first of its letters, digits and colons to the last.
pub(crate) fn is_ipv6(text: &[u8], colon: usize) -> Option<(usize, bool)> {
    let is_part = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let before = text.get(..colon)?.iter().rev().take(IPV6_BYTES_MAX).take_while(|byte| is_part(byte)).count();
    let behind = text.get(colon..)?.iter().take(IPV6_BYTES_MAX).take_while(|byte| is_part(byte)).count();
    let (from, to) = (colon - before, colon + behind);
    let joins = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let is_free = !from.checked_sub(1).and_then(|at| text.get(at)).is_some_and(joins) && !text.get(to).is_some_and(joins);
    let token = std::str::from_utf8(text.get(from..to)?).ok()?.trim_end_matches('.');
    let groups = token.split([':', '.']).filter(|group| !group.is_empty()).count();
    Some((to, is_free && groups >= IPV6_GROUPS_MIN && token.parse::<Ipv6Addr>().is_ok()))
}

#[cfg(test)]
mod tests {
    use super::super::groups::runs;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn mail() {
        let check = |text: &str, expect: bool| {
            let found = text.bytes().enumerate().any(|(at, byte)| byte == b'@' && is_mail(text.as_bytes(), at));
            assert_eq!(found, expect, "{text}");
        };
        for text in [
            "ada@example.com",
            "Ada.B+c@mail.example.co.uk",
            "<ada@example.com>",
            "write to ada@example.com.",
            "mailto:ada@example.com",
            "a@b.ch, c",
        ] {
            check(text, true);
        }
        for text in [
            "ada@example",
            "@example.com",
            "ada@",
            "icon@2x.png",
            "react@18.2.0",
            "git@example.com:ada/x.git",
            "https://ada:word@example.com/x",
            "ssh://ada@example.com",
            "pkg@example.com/x",
            "a@@b.com",
            "ada@-b.com",
            "ada@b..com",
            ".a@.com",
            "10 @ 2.50",
        ] {
            check(text, false);
        }
    }

    #[test]
    fn machines() {
        let check = |text: &str, is_named: bool, formed: bool, valid: bool| {
            let found = runs(text.as_bytes())
                .map(|run| ipv4(&run, is_named))
                .fold(Looked::default(), |all, one| Looked { formed: all.formed || one.formed, valid: all.valid || one.valid });
            assert_eq!(found, Looked { formed, valid }, "{text}");
        };
        check("192.168.1.20", false, true, true);
        check("from 203.0.113.7:8080 on", false, true, true);
        check("10.0.0.0/8", true, true, true);
        check("4.12.1.0", false, true, false);
        check("4.12.1.0", true, true, true);
        check("120.0.6099.109", true, true, false);
        check("1.2.3", false, false, false);
        check("v1.200.3.4", false, false, false);
        check("1.02.3.200", false, true, false);
        check("1.3.6.1.4.1.200", true, false, false);
    }

    #[test]
    fn machines_of_version_six() {
        let check = |text: &str, expect: bool| {
            let found = text.bytes().enumerate().any(|(at, byte)| byte == b':' && is_ipv6(text.as_bytes(), at).is_some_and(|(_, is)| is));
            assert_eq!(found, expect, "{text}");
        };
        for text in ["2001:db8::8a2e:370:7334", "fe80::1ff:fe23:4567:890a", "at 2001:db8:0:0:0:0:2:1.", "::ffff:192.0.2.128"] {
            check(text, true);
        }
        for text in [
            "10:30:00",
            "00:1a:2b:3c:4d:5e",
            "std::vec::Vec",
            "::1",
            "::",
            "a::b",
            "2024-01-15T10:30:00+01:00",
            "key: value",
            "x2001:db8::1:2",
        ] {
            check(text, false);
        }
    }

    proptest! {
        #[test]
        fn every_address_is_one(parts in any::<[u16; 8]>()) {
            let text = core::net::Ipv6Addr::from(parts).to_string();
            let groups = text.split([':', '.']).filter(|group| !group.is_empty()).count();
            prop_assume!(groups >= IPV6_GROUPS_MIN);
            let at = text.find(':').unwrap();
            prop_assert_eq!(is_ipv6(text.as_bytes(), at), Some((text.len(), true)));
        }

        #[test]
        fn four_octets_are_an_address(octets in any::<[u8; 4]>()) {
            let text = core::net::Ipv4Addr::from(octets).to_string();
            let run = runs(text.as_bytes()).next().unwrap();
            prop_assert_eq!(ipv4(&run, true), Looked { formed: true, valid: true });
        }
    }
}
