//! The parts of a record. Each has its own key, so that one can be shown or given up without the others.

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SectionId {
    Meta,
    Identity,
    Request,
    Policy,
    Approval,
    Result,
    Recording,
    Upstream,
}

impl SectionId {
    pub const ALL: [SectionId; 8] = [
        SectionId::Meta,
        SectionId::Identity,
        SectionId::Request,
        SectionId::Policy,
        SectionId::Approval,
        SectionId::Result,
        SectionId::Recording,
        SectionId::Upstream,
    ];

    /// Part of the format.
    pub const fn code(self) -> u8 {
        match self {
            SectionId::Meta => 0,
            SectionId::Identity => 1,
            SectionId::Request => 2,
            SectionId::Policy => 3,
            SectionId::Approval => 4,
            SectionId::Result => 5,
            SectionId::Recording => 6,
            SectionId::Upstream => 7,
        }
    }

    pub fn from_code(code: u8) -> Option<SectionId> {
        SectionId::ALL.get(usize::from(code)).copied()
    }

    pub const fn word(self) -> &'static str {
        match self {
            SectionId::Meta => "meta",
            SectionId::Identity => "identity",
            SectionId::Request => "request",
            SectionId::Policy => "policy",
            SectionId::Approval => "approval",
            SectionId::Result => "result",
            SectionId::Recording => "recording",
            SectionId::Upstream => "upstream",
        }
    }

    pub fn parse(word: &str) -> Option<SectionId> {
        SectionId::ALL.into_iter().find(|section| section.word() == word)
    }

    /// How much plain text a section holds. A request's statement has at most 1 MiB, and JSON can need six bytes for one.
    pub const fn plaintext_bytes_max(self) -> usize {
        match self {
            SectionId::Meta | SectionId::Recording => 64 << 10,
            SectionId::Identity | SectionId::Approval | SectionId::Upstream => 256 << 10,
            SectionId::Policy | SectionId::Result => 1 << 20,
            SectionId::Request => 8 << 20,
        }
    }

    const fn bit(self) -> u8 {
        1 << self.code()
    }
}

/// Some of the sections; a byte in the leaf.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SectionSet(u8);

impl SectionSet {
    pub const ALL: SectionSet = SectionSet(u8::MAX);

    pub const fn from_bits(bits: u8) -> SectionSet {
        SectionSet(bits)
    }

    pub const fn bits(self) -> u8 {
        self.0
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    pub const fn contains(self, section: SectionId) -> bool {
        self.0 & section.bit() != 0
    }

    pub const fn with(self, section: SectionId) -> SectionSet {
        SectionSet(self.0 | section.bit())
    }

    pub const fn intersection(self, other: SectionSet) -> SectionSet {
        SectionSet(self.0 & other.0)
    }

    pub const fn union(self, other: SectionSet) -> SectionSet {
        SectionSet(self.0 | other.0)
    }

    pub const fn without(self, other: SectionSet) -> SectionSet {
        SectionSet(self.0 & !other.0)
    }

    /// In the order of their codes.
    pub fn iter(self) -> impl Iterator<Item = SectionId> {
        SectionId::ALL.into_iter().filter(move |section| self.contains(*section))
    }
}

impl FromIterator<SectionId> for SectionSet {
    fn from_iter<I: IntoIterator<Item = SectionId>>(sections: I) -> SectionSet {
        sections.into_iter().fold(SectionSet::default(), SectionSet::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_words_and_bits_are_one_to_one() {
        for (index, section) in SectionId::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(section.code()), index);
            assert_eq!((SectionId::from_code(section.code()), SectionId::parse(section.word())), (Some(section), Some(section)));
            let alone = SectionSet::default().with(section);
            assert_eq!((alone.bits(), alone.len(), alone.contains(section)), (1 << index, 1, true));
            assert!(!SectionSet::ALL.without(alone).contains(section));
        }
        assert_eq!((SectionId::from_code(8), SectionId::parse("Meta")), (None, None));
    }

    #[test]
    fn sets_are_read_back() {
        for bits in 0..=u8::MAX {
            let set = SectionSet::from_bits(bits);
            assert_eq!(set.iter().collect::<SectionSet>(), set);
            assert_eq!((set.iter().count(), set.is_empty()), (set.len(), bits == 0));
        }
    }
}
