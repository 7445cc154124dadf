//! Rewrites the module's memory section. Its memory is declared shared, with 4 GiB at most: such a memory is outside the runtime's limits
//! and cannot be put back in place. The engine is single-threaded, so an unshared one with our own maximum serves it as well.

const HEADER_BYTES: usize = 8;
const MEMORY_SECTION: u8 = 5;
/// Flags of one memory: bit 0 says that a maximum is given, bit 1 that it is shared.
const WITH_MAXIMUM: u8 = 1;

/// The same module with one unshared memory of at most `pages_max` pages. `None` when it is not a module with exactly one memory.
pub fn unshare(module: &[u8], pages_max: u32) -> Option<Vec<u8>> {
    let mut position = HEADER_BYTES;
    while position < module.len() {
        let kind = *module.get(position)?;
        let (length, body) = unsigned(module, position + 1)?;
        let end = body.checked_add(length)?;
        if kind != MEMORY_SECTION {
            position = end;
            continue;
        }
        let (count, flags) = unsigned(module, body)?;
        let (pages_min, _) = unsigned(module, flags + 1)?;
        if count != 1 || pages_min > pages_max as usize {
            return None;
        }
        let mut section = vec![1, WITH_MAXIMUM];
        append(&mut section, pages_min);
        append(&mut section, pages_max as usize);
        let mut rewritten = module.get(..position)?.to_vec();
        rewritten.push(MEMORY_SECTION);
        append(&mut rewritten, section.len());
        rewritten.extend(section);
        rewritten.extend(module.get(end..)?);
        return Some(rewritten);
    }
    None
}

/// A LEB128 number and the position behind it.
fn unsigned(bytes: &[u8], mut position: usize) -> Option<(usize, usize)> {
    let mut number = 0;
    for shift in [0, 7, 14, 21, 28] {
        let byte = usize::from(*bytes.get(position)?);
        position += 1;
        number |= (byte & 127) << shift;
        if byte < 128 {
            return Some((number, position));
        }
    }
    None
}

fn append(bytes: &mut Vec<u8>, mut number: usize) {
    loop {
        let low = u8::try_from(number & 127).unwrap_or(0);
        number >>= 7;
        if number == 0 {
            return bytes.push(low);
        }
        bytes.push(low | 128);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARED: [u8; 21] = [0, 97, 115, 109, 1, 0, 0, 0, 1, 1, 0, 5, 7, 1, 3, 0xc1, 1, 0x80, 0x80, 4, 9];

    #[test]
    fn memory_becomes_unshared() {
        let expect = [0, 97, 115, 109, 1, 0, 0, 0, 1, 1, 0, 5, 7, 1, 1, 0xc1, 1, 0x80, 0x80, 2, 9];
        assert_eq!(unshare(&SHARED, 32768).as_deref(), Some(&expect[..]));
        assert_eq!(unshare(&SHARED, 10), None, "less than the module's minimum");
        assert_eq!(unshare(SHARED.get(..11).unwrap_or_default(), 10), None, "no memory");
        assert_eq!(unshare(SHARED.get(..14).unwrap_or_default(), 32768), None, "cut off");
        assert_eq!(unshare(&[], 10), None);
    }
}
