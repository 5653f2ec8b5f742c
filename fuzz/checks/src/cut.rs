//! Cutting bytes into pieces, as a network does.

/// A check's own idea of chance: the same for the same bytes, so that every finding replays.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// Chance that follows from these bytes (FNV-1a).
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(
            bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3)
            }),
        )
    }

    /// A number below `limit`, which is not 0 (xorshift).
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 |= 1;
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % limit
    }
}

/// Ways to cut the bytes: not at all, into single bytes, and into pieces by chance, short ones and long ones. Inputs
/// that are short enough come in every two pieces as well.
pub(crate) fn ways(bytes: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut ways = vec![vec![bytes], bytes.chunks(1).collect(), by_chance(bytes, 4), by_chance(bytes, 1 + bytes.len())];
    if bytes.len() <= 24 {
        ways.extend((1..bytes.len()).map(|place| vec![&bytes[..place], &bytes[place..]]));
    }
    ways
}

/// Pieces shorter than `longest`, empty ones among them.
pub(crate) fn by_chance(bytes: &[u8], longest: usize) -> Vec<&[u8]> {
    let mut chance = Chance::of(bytes);
    let (mut pieces, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(chance.below(longest.max(2)).min(rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    pieces
}
