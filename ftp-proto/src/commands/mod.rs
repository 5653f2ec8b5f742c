//! The commands, one small function each. What a command takes and who may give it stands in the table
//! ([`command`](crate::command)); these functions see checked input alone.

pub(crate) mod access;
pub(crate) mod dirs;
pub(crate) mod files;
pub(crate) mod info;
pub(crate) mod params;
pub(crate) mod security;
