//! Protocol buffers' wire format: numbers, tags, and the extent of a field.

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireFault {
    /// A number of more than 64 bits.
    Number,
    Tag,
    Truncated,
    /// A wire type that is not used (groups are long gone from GoogleSQL's schema).
    WireType,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Raw<'a> {
    Bytes(&'a [u8]),
    Fixed32(u32),
    Fixed64(u64),
    Varint(u64),
}

pub const VARINT: u64 = 0;
pub const FIXED64: u64 = 1;
pub const LENGTH: u64 = 2;
pub const FIXED32: u64 = 5;

/// Reads `bytes[position..end]` one field at a time.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    pub bytes: &'a [u8],
    pub position: usize,
    pub end: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, position: 0, end: bytes.len() }
    }

    pub fn at_end(&self) -> bool {
        self.position >= self.end
    }

    /// The field's number and value; a length-delimited value is skipped over, its extent is `position - length .. position`.
    pub fn field(&mut self) -> Result<(u32, Raw<'a>), WireFault> {
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).ok().filter(|number| *number > 0).ok_or(WireFault::Tag)?;
        let raw = match tag & 7 {
            VARINT => Raw::Varint(self.varint()?),
            FIXED64 => Raw::Fixed64(u64::from_le_bytes(self.array()?)),
            FIXED32 => Raw::Fixed32(u32::from_le_bytes(self.array()?)),
            LENGTH => {
                let length = usize::try_from(self.varint()?).map_err(|_| WireFault::Truncated)?;
                Raw::Bytes(self.take(length)?)
            }
            _ => return Err(WireFault::WireType),
        };
        Ok((number, raw))
    }

    pub fn varint(&mut self) -> Result<u64, WireFault> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 127);
            if shift == 63 && bits > 1 {
                return Err(WireFault::Number);
            }
            number |= bits << shift;
            if byte < 128 {
                return Ok(number);
            }
        }
        Err(WireFault::Number)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], WireFault> {
        self.take(N)?.try_into().map_err(|_| WireFault::Truncated)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], WireFault> {
        let end = self.position.checked_add(length).filter(|end| *end <= self.end).ok_or(WireFault::Truncated)?;
        let taken = self.bytes.get(self.position..end).ok_or(WireFault::Truncated)?;
        self.position = end;
        Ok(taken)
    }
}

pub fn append_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 127 {
        bytes.push((number & 127) as u8 | 128);
        number >>= 7;
    }
    bytes.push(number as u8);
}

pub fn append_tag(bytes: &mut Vec<u8>, number: u32, wire_type: u64) {
    append_varint(bytes, u64::from(number) << 3 | wire_type);
}

impl std::fmt::Display for WireFault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Number => "a number is longer than 64 bits",
            Self::Tag => "a field has an impossible number",
            Self::Truncated => "the bytes end in the middle of a field",
            Self::WireType => "a field has an unknown wire type",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expect: Result<(u32, Raw<'_>), WireFault>) {
        assert_eq!(Reader::new(bytes).field(), expect, "{bytes:?}");
    }

    #[test]
    fn fields_are_read_or_refused() {
        check(&[0x08, 0x96, 0x01], Ok((1, Raw::Varint(150))));
        check(&[0x12, 0x02, 7, 8], Ok((2, Raw::Bytes(&[7, 8]))));
        check(&[0x0d, 1, 0, 0, 0], Ok((1, Raw::Fixed32(1))));
        check(&[0x09, 1, 0, 0, 0, 0, 0, 0, 0], Ok((1, Raw::Fixed64(1))));
        check(&[0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1], Ok((1, Raw::Varint(u64::MAX))));
        check(&[0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2], Err(WireFault::Number));
        check(&[0x12, 0x03, 7, 8], Err(WireFault::Truncated));
        check(&[0x12, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1], Err(WireFault::Truncated));
        check(&[0x0b], Err(WireFault::WireType));
        check(&[0x00, 1], Err(WireFault::Tag));
        check(&[], Err(WireFault::Truncated));
    }

    #[test]
    fn numbers_are_written_as_they_are_read() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            append_varint(&mut bytes, number);
            assert_eq!(Reader::new(&bytes).varint(), Ok(number));
        }
    }
}
