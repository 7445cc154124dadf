//! Which addresses may be connected to. A name that an issuer's document gives us must not lead into our own network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address belongs to the public internet.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// What is refused even for an issuer in a private network: machines' own metadata, groups, nobody.
pub fn is_never_an_issuer(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_multicast() || address.is_unspecified() || address.is_broadcast(),
        IpAddr::V6(address) => match embedded(address) {
            Some(inside) => is_never_an_issuer(IpAddr::V4(inside)),
            // Amazon's metadata has an address of its own.
            None => {
                let metadata = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
                address.is_unicast_link_local() || address.is_multicast() || address.is_unspecified() || address == metadata
            }
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let special = matches!(
        (first, second, third),
        (0 | 10 | 127 | 224..=255, ..)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 168, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (198, 51, 100)
            | (203, 0, 113)
            | (198, 18..=19, _)
    );
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inside) = embedded(address) {
        return is_public_v4(inside);
    }
    let [first, second, ..] = address.segments();
    // Only 2000::/3 is given out; of it, documentation, benchmarks and the like are not.
    let given_out = first & 0xe000 == 0x2000;
    let special = (first == 0x2001 && (second < 0x0200 || second == 0x0db8)) || (first == 0x3fff && second < 0x1000);
    given_out && !special
}

/// An IPv4 address written as IPv6: mapped, translated, or through a tunnel.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [first, second, third, fourth, fifth, sixth, seventh, eighth] = address.segments();
    let join = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match (first, second, third, fourth, fifth, sixth) {
        (0, 0, 0, 0, 0, 0xffff) | (0x64, 0xff9b, 0, 0, 0, 0) => Some(join(seventh, eighth)),
        (0x64, 0xff9b, 1, ..) => Some(join(seventh, eighth)),
        (0x2002, ..) => Some(join(second, third)),
        (0, 0, 0, 0, 0, 0) if seventh != 0 => Some(join(seventh, eighth)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(addresses: &str, public: bool, never: bool) {
        for text in addresses.split(' ') {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!((is_public(address), is_never_an_issuer(address)), (public, never), "{text}");
        }
    }

    #[test]
    fn private_addresses_are_known() {
        check("8.8.8.8 1.1.1.1 140.82.112.3 172.15.0.1 172.32.0.1 100.63.0.1 100.128.0.1 192.0.1.1", true, false);
        check("2606:4700::1111 2a00:1450:4001::1 ::ffff:8.8.8.8 64:ff9b::8.8.8.8 2002:808:808::1", true, false);
        check("127.0.0.1 127.1.2.3 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 198.18.0.1 203.0.113.7", false, false);
        check(
            "::1 fc00::1 fd12::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 64:ff9b::a00:1 64:ff9b:1::a00:1 2002:a00:1::1 ::10.0.0.1",
            false,
            false,
        );
        check("2001:db8::1 2001::1 3fff::1 100::1", false, false);
        check("169.254.169.254 ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe fe80::1 ff02::1 :: 0.0.0.0 224.0.0.1 fd00:ec2::254", false, true);
        check("255.255.255.255", false, true);
    }
}
