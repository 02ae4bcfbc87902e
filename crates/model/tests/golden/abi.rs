//! Just enough of Ethereum's encoding to read one event and one call.

/// A word of 32 bytes.
pub(crate) type Word = [u8; 32];

/// Encoded parameters.
pub(crate) struct Abi(Vec<u8>);

impl Abi {
    /// From hexadecimal text, without its first `skip` bytes.
    pub(crate) fn new(text: &str, skip: usize) -> Self {
        Self(hex::decode(text.strip_prefix("0x").unwrap()).unwrap()[skip..].to_vec())
    }

    pub(crate) fn word(&self, index: usize) -> Word {
        self.0[index * 32..index * 32 + 32].try_into().unwrap()
    }

    pub(crate) fn number(&self, index: usize) -> usize {
        let word = self.word(index);
        assert!(word[..24].iter().all(|b| *b == 0));
        u64::from_be_bytes(word[24..].try_into().unwrap()).try_into().unwrap()
    }

    pub(crate) fn text(&self, index: usize) -> String {
        let at = self.number(index);
        let length = self.number(at / 32);
        String::from_utf8(self.0[at + 32..at + 32 + length].to_vec()).unwrap()
    }

    pub(crate) fn words(&self, index: usize) -> Vec<Word> {
        let at = self.number(index) / 32;
        (at + 1..=at + self.number(at)).map(|index| self.word(index)).collect()
    }
}
