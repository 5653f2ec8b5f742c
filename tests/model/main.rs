//! A reference model of an FTP session, compared step by step with the real one.
//!
//! [`machine`] says what an FTP session has to do, in the plainest form. `proptest` makes up what happens to one, and
//! both are put through it: their replies, actions, cancellations, releases and timeouts have to be the same after
//! each step. [`audit`] keeps books of the real one's outputs beside that, of rules that hold whatever the machine
//! says. What fails is shown as a transcript, as short as `proptest` can make it.
//!
//! `PROPTEST_CASES` says how many cases are tried, and `PROPTEST_RNG_SEED` where they begin. `just model` tries a
//! million from somewhere else each time.

mod audit;
mod client;
mod clocks;
mod commands;
mod data;
mod effects;
mod lane;
mod lines;
mod login;
mod machine;
mod observed;
mod reach;
mod real;
mod setup;
mod show;
mod steps;
mod syntax;
mod table;
mod tasks;
mod test;
mod transfer;
