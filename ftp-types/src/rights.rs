//! The permission letters.

use core::fmt;
use core::ops::{BitAnd, BitOr, Sub};
use core::str::FromStr;

/// One permission letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum Right {
    /// `e`: change directory (CWD, CDUP).
    Enter = 1,
    /// `l`: list and look (LIST, NLST, STAT, MLSD, MLST, SIZE, MDTM).
    List = 1 << 1,
    /// `r`: retrieve (RETR).
    Retrieve = 1 << 2,
    /// `a`: append (APPE).
    Append = 1 << 3,
    /// `d`: delete (DELE, RMD).
    Delete = 1 << 4,
    /// `f`: rename (RNFR, RNTO).
    Rename = 1 << 5,
    /// `m`: make directories (MKD).
    MakeDirectory = 1 << 6,
    /// `w`: store (STOR, STOU).
    Store = 1 << 7,
    /// `M`: change the mode (SITE CHMOD).
    ChangeMode = 1 << 8,
    /// `T`: change the modification time (MFMT).
    ChangeTime = 1 << 9,
}

impl Right {
    /// Every right, in the order in which the letters are written.
    pub const ALL: [Self; 10] = [
        Self::Enter,
        Self::List,
        Self::Retrieve,
        Self::Append,
        Self::Delete,
        Self::Rename,
        Self::MakeDirectory,
        Self::Store,
        Self::ChangeMode,
        Self::ChangeTime,
    ];

    /// The letter.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::Enter => 'e',
            Self::List => 'l',
            Self::Retrieve => 'r',
            Self::Append => 'a',
            Self::Delete => 'd',
            Self::Rename => 'f',
            Self::MakeDirectory => 'm',
            Self::Store => 'w',
            Self::ChangeMode => 'M',
            Self::ChangeTime => 'T',
        }
    }

    /// The right that a letter stands for.
    #[must_use]
    pub fn from_letter(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|right| right.letter() == letter)
    }
}

/// A set of rights, written as letters: `elradfmwMT`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Permissions(u16);

/// A permission letter that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownLetter {
    /// The letter.
    pub letter: char,
    /// Its place in the text, counted in characters from 0.
    pub position: usize,
}

impl Permissions {
    /// No right at all.
    pub const NONE: Self = Self(0);
    /// `elr`: look and fetch.
    pub const READ: Self = Self(0b111);
    /// `elradfmwMT`: everything.
    pub const ALL: Self = Self((1 << 10) - 1);
    /// The letters that change something: `adfmwMT`.
    pub const WRITE: Self = Self(Self::ALL.0 & !Self::READ.0);

    /// Whether the right is in the set.
    #[must_use]
    pub const fn allows(self, right: Right) -> bool {
        self.0 & right as u16 != 0
    }

    /// Whether the two sets have a right in common.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The set with one more right.
    #[must_use]
    pub const fn with(self, right: Right) -> Self {
        Self(self.0 | right as u16)
    }

    /// The set without one right.
    #[must_use]
    pub const fn without(self, right: Right) -> Self {
        Self(self.0 & !(right as u16))
    }
}

impl FromStr for Permissions {
    type Err = UnknownLetter;

    fn from_str(letters: &str) -> Result<Self, Self::Err> {
        letters.chars().enumerate().try_fold(Self::NONE, |set, (position, letter)| {
            Right::from_letter(letter).map(|right| set.with(right)).ok_or(UnknownLetter { letter, position })
        })
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Right::ALL
            .into_iter()
            .filter(|right| self.allows(*right))
            .try_for_each(|right| fmt::Write::write_char(f, right.letter()))
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permissions({self})")
    }
}

impl BitAnd for Permissions {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitOr for Permissions {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Sub for Permissions {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl fmt::Display for UnknownLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no such permission letter {:?} (known: {})", self.letter, Permissions::ALL)
    }
}

impl core::error::Error for UnknownLetter {}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn letters_survive_the_way_there_and_back() {
        assert_eq!("elradfmwMT".parse(), Ok(Permissions::ALL));
        assert_eq!(Permissions::ALL.to_string(), "elradfmwMT");
        assert_eq!(Permissions::WRITE.to_string(), "adfmwMT");
        assert_eq!("rle".parse::<Permissions>().unwrap().to_string(), "elr");
        assert_eq!("".parse(), Ok(Permissions::NONE));
    }

    #[test]
    fn an_unknown_letter_is_named_with_its_place() {
        assert_eq!("elz".parse::<Permissions>(), Err(UnknownLetter { letter: 'z', position: 2 }));
        assert_eq!("E".parse::<Permissions>(), Err(UnknownLetter { letter: 'E', position: 0 }));
    }
}
